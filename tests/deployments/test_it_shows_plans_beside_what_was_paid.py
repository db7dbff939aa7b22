"""An applied plan beside what was really agreed, run and paid; until the next plan takes over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.deployments.models import Deployment, Plan
from apps.deployments.planning import draw_up_plan
from apps.deployments.plans.actual import NotApplied, actual_of
from apps.market.models import Agreement
from apps.teams.models import Team, User
from tests.cast import posted_usage
from tests.deployments.conftest import COMPOSE, Hive, active

pytestmark = pytest.mark.django_db

PER_HOUR = Decimal("0.000002") * 3600 + Decimal("0.000001") * 3600 / 4
START = Decimal("0.0001")


def used(agreement: Agreement, *, ended_s_ago: float = -60) -> None:
    """A report of one second, rated at 0.1 GLM. Unless said otherwise it comes while the plan is in force."""
    ended_at = timezone.now() - timedelta(seconds=ended_s_ago)
    sequence = agreement.usage.count() + 1
    posted_usage(agreement, sequence=sequence, ended_at_ms=int(ended_at.timestamp() * 1000))


def plan_of(deployment: Deployment) -> Plan:
    return deployment.plans.latest("applied_at")


def test_it_has_nothing_to_show_before_it_is_applied(hive: Hive, team: Team, owner: User) -> None:
    plan = draw_up_plan(team=team, author=owner, source=COMPOSE)
    with pytest.raises(NotApplied, match="was not applied"):
        actual_of(plan)


def test_it_sets_agreed_prices_beside_the_planned(running: Deployment) -> None:
    actual = actual_of(plan_of(running))
    assert [each.replica for each in actual.replicas] == ["web-1", "web-2", "web-3"]
    assert actual.planned_price_per_hour_glm == actual.agreed_price_per_hour_glm == 3 * PER_HOUR
    assert actual.planned_glm == actual.paid_glm == 0
    assert actual.until is None
    assert [[agreed.pk for agreed in each.agreements] for each in actual.replicas] == [
        [each.agreement_id] for each in active(running)
    ]


def test_it_sets_what_was_paid_beside_what_the_plan_made_of_the_same_time(running: Deployment) -> None:
    first = active(running)[0].agreement
    used(first)
    used(first, ended_s_ago=-120)
    actual = actual_of(plan_of(running))
    row = actual.replicas[0]
    assert (row.ran_ms, row.paid_glm) == (2000, Decimal("0.2"))
    assert row.planned_glm == START + 2 * PER_HOUR / 3600
    assert (actual.paid_glm, actual.planned_glm) == (row.paid_glm, row.planned_glm)


def test_it_counts_every_agreement_of_a_replica(running: Deployment, hive: Hive) -> None:
    lost = active(running)[0]
    used(lost.agreement)
    hive.lose(lost.node_id)
    hive.turn(3)
    successor = next(each for each in active(running) if each.replica_id == lost.replica_id)
    used(successor.agreement)
    row = actual_of(plan_of(running)).replicas[0]
    assert [agreed.pk for agreed in row.agreements] == [lost.agreement_id, successor.agreement_id]
    assert row.paid_glm == Decimal("0.2")


def test_the_next_plan_takes_over(running: Deployment, deploy: Callable[..., Deployment]) -> None:
    """What stays is counted by each plan for its own time."""
    agreement, before = active(running)[0].agreement, plan_of(running)
    Plan.objects.filter(pk=before.pk).update(applied_at=timezone.now() - timedelta(hours=2))
    before.refresh_from_db()
    used(agreement, ended_s_ago=1)
    deploy(COMPOSE.replace("replicas: 3", "replicas: 4"))
    used(agreement, ended_s_ago=-1)
    used(agreement, ended_s_ago=-2)
    after = plan_of(running)
    assert actual_of(before).until == after.applied_at
    assert [actual_of(plan).replicas[0].paid_glm for plan in (before, after)] == [
        Decimal("0.1"),
        Decimal("0.2"),
    ]
    kept = actual_of(after).replicas[0]
    assert kept.planned_price_per_hour_glm == kept.agreed_price_per_hour_glm == PER_HOUR
    assert kept.planned_glm == 2 * PER_HOUR / 3600  # its start price was paid under the plan before


@pytest.mark.parametrize("ended_s_ago", [3600, -3600])
def test_a_bee_an_hour_off_is_counted_all_the_same(running: Deployment, ended_s_ago: float) -> None:
    used(active(running)[0].agreement, ended_s_ago=ended_s_ago)
    assert actual_of(plan_of(running)).paid_glm == Decimal("0.1")


def test_what_came_in_before_the_next_plan_is_not_its_own_however_it_is_dated(
    running: Deployment, deploy: Callable[..., Deployment]
) -> None:
    agreement, before = active(running)[0].agreement, plan_of(running)
    used(agreement, ended_s_ago=-3600)
    deploy(COMPOSE.replace("replicas: 3", "replicas: 4"))
    assert [actual_of(plan).paid_glm for plan in (before, plan_of(running))] == [Decimal("0.1"), 0]


def test_it_asks_three_questions_however_many_replicas(
    running: Deployment, django_assert_num_queries: Callable[..., object]
) -> None:
    plan = plan_of(running)
    with django_assert_num_queries(3):  # type: ignore[attr-defined]
        actual_of(plan)
