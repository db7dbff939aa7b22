"""The events of a deployment: all that was made for it, and nothing of others."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.billing.budgets.capping import change_cap
from apps.billing.models import CapState
from apps.deployments.applying import scale
from apps.deployments.models import Assignment, Deployment
from apps.deployments.showing import events_of, timeline_of
from apps.market.models import Agreement, Demand
from apps.teams.audit import AuditLine
from apps.teams.models import Team
from tests.deployments.conftest import COMPOSE, TESTER, Hive, active

pytestmark = pytest.mark.django_db


def told(deployment: Deployment, noun: str) -> set[str]:
    return {line.noun_id for line in events_of(deployment, limit=None) if line.noun == noun}


def test_it_tells_of_generations_long_gone(running: Deployment, hive: Hive) -> None:
    lost = active(running)[0]
    hive.lose(lost.node_id)
    hive.turn(2)
    AuditLine.write(lost.agreement.hold, before="held", after="released", actor=TESTER, reason="rated")
    assert {str(pk) for pk in Demand.objects.values_list("pk", flat=True)} == told(running, "demand")
    assert {str(pk) for pk in Agreement.objects.values_list("pk", flat=True)} == told(running, "agreement")
    assert str(lost.agreement_id) in told(running, "agreement")
    assert str(lost.agreement.hold.pk) in told(running, "hold")
    assert str(lost.pk) in told(running, "assignment")


def test_it_tells_nothing_of_others(
    running: Deployment, hive: Hive, deploy: Callable[[str], Deployment]
) -> None:
    other = deploy(COMPOSE.replace("name: hello", "name: other"))
    hive.turn(2)
    ours = told(running, "replica") | told(running, "demand") | told(running, "agreement")
    theirs = told(other, "replica") | told(other, "demand") | told(other, "agreement")
    assert theirs and not ours & theirs


def test_it_tells_of_scaling_and_of_its_money(running: Deployment, team: Team) -> None:
    scale(running.services.get(), 2, actor=TESTER, why="so that the money lasts for the rest")
    change_cap(running.cap, limit_glm=Decimal(5), per="in all", at_end="stop", actor=TESTER)
    running.cap.move_to(
        CapState.ENDING, actor=TESTER, reason="its cap is used up", deadline_at=timezone.now()
    )
    lines = {(line.noun, line.after): line for line in timeline_of(running)}
    assert "so that the money lasts for the rest" in lines["service", "2"].reason
    assert lines["service", "2"].team == team
    assert lines["budgetcap", "changed"].reason.startswith("5 GLM in all, at the end stop")
    assert lines["budgetcap", "ending"].reason == "its cap is used up"


def test_it_asks_twice_however_many_there_are(
    running: Deployment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    assert Assignment.objects.count() == 3
    with django_assert_num_queries(2):
        list(events_of(running, limit=10))
