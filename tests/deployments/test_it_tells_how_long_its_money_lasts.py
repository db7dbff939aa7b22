"""How long a deployment's money lasts: its budget's, or its cap's where that ends sooner."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.billing.budgets.capping import change_cap
from apps.billing.budgets.runway import Runway, runway_of
from apps.billing.models import BudgetCap, CapPeriod, CapState
from apps.deployments.applying import stop
from apps.deployments.lasting import lasts
from apps.deployments.models import Deployment
from apps.deployments.serializers import DeploymentSerializer
from apps.deployments.showing import sheet_of, sheets_of
from tests.deployments.conftest import COMPOSE, TESTER, Hive

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def runway(money: str, per_hour: str) -> Runway:
    return Runway(money_glm=Decimal(money), per_hour_glm=Decimal(per_hour), at=NOON)


@pytest.mark.parametrize(
    ("limit", "per_hour", "expected"),
    [
        (None, "1", runway("10", "2")),
        ("4", "1", runway("2.5", "1")),  # 4, less 2 counted, and 0.5 of that held for the time to come
        ("50", "1", runway("10", "2")),
        ("4", "0", runway("10", "0")),  # what others spend is not its own
    ],
)
def test_what_ends_first_says_until_when(limit: str | None, per_hour: str, expected: Runway) -> None:
    cap = BudgetCap(limit_glm=limit and Decimal(limit), used_glm=Decimal(2), per=CapPeriod.IN_ALL)
    found = lasts(cap, held_glm=Decimal("0.5"), per_hour_glm=Decimal(per_hour), of_budget=runway("10", "2"))
    assert found == expected


def test_its_cap_says_until_when_on_its_page_and_over_the_api(running: Deployment) -> None:
    assert sheet_of(running).runway.per_hour_glm == runway_of(running.budget_id).per_hour_glm > 0
    running.cap.refresh_from_db()
    limit_glm = running.cap.counted_glm + Decimal("0.001")
    change_cap(running.cap, limit_glm=limit_glm, per="in all", at_end="ask", actor=TESTER)
    found = sheet_of(running)
    assert found.runway.money_glm == limit_glm  # nothing is posted yet
    told = DeploymentSerializer(found).data["runway"]
    assert told["lasts_until"] is not None and told["in_words"].startswith("lasts until")


def test_what_has_ended_spends_nothing_though_others_do(
    running: Deployment, hive: Hive, deploy: Callable[[str], Deployment]
) -> None:
    deploy(COMPOSE.replace("name: hello", "name: other"))
    hive.turn(2)
    stop(running, actor=TESTER, reason="its money has ended")
    hive.turn(2)
    assert runway_of(running.budget_id).per_hour_glm > 0
    assert sheet_of(running).runway.in_words == "nothing is spent now"


def test_its_end_is_its_reason(running: Deployment) -> None:
    BudgetCap.objects.filter(pk=running.cap_id).update(state=CapState.ENDING, deadline_at=NOON)
    stop(running, actor=TESTER, reason="its money has ended: hello may take 5 GLM")
    told = DeploymentSerializer(sheet_of(running)).data
    assert told["reason"] == "its money has ended: hello may take 5 GLM"


def test_it_asks_no_more_often_for_many(
    running: Deployment,
    deploy: Callable[[str], Deployment],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    everything = Deployment.objects.select_related("cap")
    with django_assert_num_queries(6):
        sheets_of(everything.all())
    deploy(COMPOSE.replace("name: hello", "name: other"))
    with django_assert_num_queries(6):
        assert len(sheets_of(everything.all())) == 2
