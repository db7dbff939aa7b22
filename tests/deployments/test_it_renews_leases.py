"""A lease is renewed each third of it while the budget pays, and runs out when it does not."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from apps.billing.budgets.holding import place_hold
from apps.billing.models import Budget, Hold, UsageRecord, UsageState
from apps.deployments import assignments, leases
from apps.deployments.applying import scale
from apps.deployments.assignments import sweep_lost, wanted_assignments
from apps.deployments.leases import renew_leases
from apps.deployments.models import Assignment, AssignmentState, Deployment, Replica
from apps.market.models import Agreement, AgreementState
from apps.nodes.models import Node, NodeState
from apps.teams.states import StaleState
from tests.deployments.conftest import TESTER, Hive, active, replicas, seconds, states

LEASE = timedelta(minutes=15)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("minutes_left", "renewed"),
    [(15, 0), (11, 0), (10, 3), (5, 3), (0.1, 3), (0, 0), (-1, 0)],
)
def test_it_is_due_when_a_third_is_over(running: Deployment, minutes_left: float, renewed: int) -> None:
    """What has run out is not renewed: its Bee has stopped already."""
    pass_time(running, LEASE - timedelta(minutes=minutes_left))
    assert renew_leases() == renewed


def pass_time(deployment: Deployment, by: timedelta) -> None:
    """As if everything had begun earlier."""
    for one in active(deployment):
        until = one.lease_until - by
        Assignment.objects.filter(pk=one.pk).update(
            lease_until=until, deadline_at=until, renew_at=one.renew_at - by
        )
        Replica.objects.filter(pk=one.replica_id).update(deadline_at=until)
        hold = one.agreement.hold
        type(hold).objects.filter(pk=hold.pk).update(deadline_at=until)
        type(one.agreement).objects.filter(pk=one.agreement_id).update(
            approved_at=one.agreement.approved_at - by
        )


def rated(assignment: Assignment, *, cost_glm: str, ahead: timedelta = timedelta()) -> None:
    """Usage up to now has been rated and paid from the hold; its Bee's clock may be wrong."""
    now_ms = int((timezone.now() + ahead).timestamp() * 1000)
    UsageRecord.objects.create(
        agreement=assignment.agreement,
        sequence=1,
        started_at_ms=0,
        ended_at_ms=now_ms,
        running_ms=1,
        cpu_ms=1,
        egress_bytes=0,
        state=UsageState.POSTED,
        billed_running_ms=1,
    )
    hold = assignment.agreement.hold
    type(hold).objects.filter(pk=hold.pk).update(posted=Decimal(cost_glm))


@pytest.mark.django_db
def test_it_renews_with_the_money_for_it(running: Deployment, budget: Budget) -> None:
    pass_time(running, LEASE / 2)
    before, available = active(running)[0], budget.available_glm
    assert renew_leases() == 3
    after = active(running)[0]
    assert after.lease_until - timezone.now() > LEASE - seconds(5)
    assert after.lease_until == after.deadline_at == after.agreement.hold.deadline_at
    added = after.agreement.hold.amount - before.agreement.hold.amount
    assert added == pytest.approx(before.agreement.price_per_hour_glm / 8, rel=Decimal("0.01"))
    assert budget.available_glm == pytest.approx(available - 3 * added, abs=Decimal("0.00001"))
    assert replicas(running)[0].deadline_at == after.lease_until


@pytest.mark.django_db
def test_it_adds_only_what_is_missing(running: Deployment) -> None:
    """Half a lease is over and cost next to nothing: the other half's money is still there."""
    pass_time(running, LEASE / 2)
    one = active(running)[0]
    before = one.agreement.hold.amount
    rated(one, cost_glm="0.0001")
    renew_leases()
    hold = active(running)[0].agreement.hold
    assert hold.amount - before < one.agreement.price_per_hour_glm / 1000
    assert hold.amount - hold.posted >= one.agreement.price_per_hour_glm / 4 * Decimal("0.999")


@pytest.mark.parametrize(
    ("ahead_h", "leases"),
    [(0, "1"), (1, "1"), (-1, "1.5")],  # what ran until it is known to be paid is held as well: half a lease
)
def test_a_bee_an_hour_off_has_its_lease_held_and_no_more(
    running: Deployment, ahead_h: int, leases: str
) -> None:
    pass_time(running, LEASE / 2)
    one = active(running)[0]
    rated(one, cost_glm=str(one.agreement.hold.amount), ahead=timedelta(hours=ahead_h))
    assert renew_leases() == 3
    hold = active(running)[0].agreement.hold
    expected = one.agreement.price_per_hour_glm / 4 * Decimal(leases)
    assert hold.amount - hold.posted == pytest.approx(expected, rel=Decimal("0.01"))


@pytest.mark.django_db
def test_it_tells_the_bee_what_is_left(running: Deployment) -> None:
    one = active(running)[0]
    [message] = wanted_assignments([one.node_id])[one.node_id]
    assert settings.HIVE_LEASE_S - 10 < message.lease_s <= settings.HIVE_LEASE_S
    assert (message.replica, message.generation) == ("web-1", 1)
    assert message.workload.image == "hive/hello:1"
    assert message.workload.health is not None and message.workload.health.path == "/health"
    pass_time(running, LEASE + seconds(1))
    assert wanted_assignments([one.node_id])[one.node_id] == []


@pytest.mark.django_db
def test_it_lets_an_unfunded_lease_run_out_and_says_why(
    running: Deployment, hive: Hive, budget: Budget
) -> None:
    place_hold(
        budget=budget,
        reference="all of it",
        amount_glm=budget.available_glm,
        until=timezone.now() + timedelta(days=1),
    )
    pass_time(running, LEASE / 2)
    assert renew_leases() == 0
    assert (
        "can't be renewed: budget bakery/main has 0 GLM available, needs 0.00" in replicas(running)[0].reason
    )
    hive.turn()
    assert states(running) == ["healthy"] * 3
    pass_time(running, LEASE / 2)
    hive.look()
    replica = replicas(running)[0]
    assert replica.state == "pending"
    assert replica.reason.startswith("budget bakery/main has")
    assert replica.deadline_at is not None


@pytest.mark.django_db
def test_one_that_somebody_ended_first_holds_up_no_other(
    running: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = timezone.now() - seconds(1)
    Assignment.objects.update(state=AssignmentState.RELEASED, deadline_at=past)
    move_to = Assignment.move_to

    def late(self: Assignment, *args: Any, **kwargs: Any) -> Assignment:
        monkeypatch.setattr(Assignment, "move_to", move_to)
        raise StaleState("its bee spoke up")

    monkeypatch.setattr(Assignment, "move_to", late)

    assert sweep_lost() == 2
    assert sorted(Assignment.objects.values_list("state", flat=True)) == ["lost", "lost", "released"]
    assert Agreement.objects.filter(state=AgreementState.TERMINATED).count() == 2


def test_a_lease_that_can_not_be_looked_at_holds_up_no_other(
    running: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, fund = min(active(running), key=lambda one: one.lease_until), leases.fund

    def broken(hold: Hold, agreement: Agreement, *, until: datetime) -> Hold:
        if agreement == first.agreement:
            raise ZeroDivisionError("as if there were a fault in it")
        return fund(hold, agreement, until=until)

    monkeypatch.setattr(leases, "fund", broken)
    pass_time(running, LEASE / 2)
    assert renew_leases() == 2


def test_one_that_can_not_be_ended_holds_up_no_other(
    running: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, end_agreement = active(running)[0].agreement_id, assignments.end_agreement
    Assignment.objects.update(state=AssignmentState.RELEASED, deadline_at=timezone.now() - seconds(1))

    def broken(agreement: Agreement, **said: Any) -> None:
        if agreement.pk == first:
            raise ZeroDivisionError("as if there were a fault in it")
        end_agreement(agreement, **said)

    monkeypatch.setattr(assignments, "end_agreement", broken)
    assert sweep_lost() == 2


def test_it_renews_nothing_that_is_over_unwanted_or_lost(running: Deployment, hive: Hive) -> None:
    pass_time(running, LEASE / 2)
    one, two, _ = active(running)
    for state in (NodeState.UNKNOWN, NodeState.OFFLINE):
        Node.objects.filter(pk=one.node_id).update(state=state)
    pass_time_of(two, LEASE)
    scale(running.services.get(), 2, actor=TESTER)
    assert renew_leases() == 0


def pass_time_of(assignment: Assignment, by: timedelta) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(lease_until=assignment.lease_until - by)
