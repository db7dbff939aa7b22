from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.billing.budgets import holding
from apps.billing.budgets.holding import extend_hold, free_ended_holds, place_hold, release_hold
from apps.billing.ledger.posting import InsufficientFunds
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import Hold, HoldState
from apps.market.models import AgreementState
from apps.teams.audit import Actor
from apps.teams.states import StateError

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_add_up")]
TEST = Actor.queen("test")


@pytest.fixture
def soon(now):
    return now + timedelta(minutes=15)


def test_it_holds_once_per_reference(budget, soon):
    holds = [
        place_hold(budget=budget, reference="replica:1:1", amount_glm=Decimal(3), until=soon)
        for _ in range(2)
    ]
    assert holds[0] == holds[1]
    assert (budget.available_glm, budget.held_glm) == (Decimal(7), Decimal(3))


def test_it_holds_nothing_that_is_not_there(budget, soon):
    with pytest.raises(InsufficientFunds) as refused:
        place_hold(budget=budget, reference="replica:1:1", amount_glm=Decimal(11), until=soon)
    assert (refused.value.available, refused.value.needed) == (Decimal(10), Decimal(11))
    assert not Hold.objects.exists()
    assert budget.available_glm == 10


def test_it_tops_up_once_per_renewal(budget, soon):
    hold = place_hold(budget=budget, reference="replica:1:1", amount_glm=Decimal(3), until=soon)
    later = soon + timedelta(minutes=5)
    for _ in range(2):
        extend_hold(hold, amount_glm=Decimal(1), until=later)
    assert (hold.amount, hold.deadline_at, budget.held_glm) == (Decimal(4), later, Decimal(4))


def test_it_renews_nothing_without_funds(budget, soon):
    hold = place_hold(budget=budget, reference="replica:1:1", amount_glm=Decimal(10), until=soon)
    with pytest.raises(InsufficientFunds):
        extend_hold(hold, amount_glm=Decimal(1), until=soon + timedelta(minutes=5))
    hold.refresh_from_db()
    assert (hold.amount, hold.deadline_at) == (Decimal(10), soon)


def test_it_gives_back_what_nothing_was_placed_on(budget, soon):
    hold = place_hold(budget=budget, reference="replica:1:1", amount_glm=Decimal(3), until=soon)
    release_hold(hold, actor=TEST, reason="no bee would")
    release_hold(hold, actor=TEST, reason="once more")
    assert (hold.state, hold.reason, budget.available_glm) == (
        HoldState.RELEASED,
        "no bee would",
        Decimal(10),
    )
    with pytest.raises(StateError):
        extend_hold(hold, amount_glm=Decimal(1), until=soon)


def test_it_lets_a_forgotten_hold_expire(budget, now):
    hold = place_hold(
        budget=budget, reference="replica:1:1", amount_glm=Decimal(3), until=now - timedelta(seconds=1)
    )
    assert free_ended_holds() == 1
    hold.refresh_from_db()
    assert (hold.state, budget.available_glm) == (HoldState.EXPIRED, Decimal(10))


def test_it_keeps_the_hold_until_the_last_report_is_rated(hold, meter, budget):
    release_hold(hold, actor=TEST, reason="stopped")
    assert hold.state == HoldState.HELD  # in force, usage is coming
    end(hold.agreement)
    assert free_ended_holds() == 0
    store_usage(node_id=hold.agreement.node_id, reports=[meter.report(final=True)])
    assert free_ended_holds() == 0
    assert rate_usage() == 1
    assert free_ended_holds() == 1
    hold.refresh_from_db()
    assert (hold.state, hold.posted) == (HoldState.RELEASED, Decimal("0.000226"))
    assert (budget.available_glm, budget.held_glm) == (Decimal("9.999774"), Decimal(0))
    assert budget.spent_glm == Decimal("0.000226")


def test_it_waits_for_a_lost_bee_no_longer_than_the_grace(hold, settings, budget):
    end(hold.agreement)
    assert free_ended_holds() == 0
    settings.HIVE_USAGE_GRACE_S = 0
    assert free_ended_holds() == 1
    assert budget.available_glm == 10


def test_what_waits_for_usage_is_in_nobodys_way(hold, budget, now, monkeypatch):
    """Oldest end first, and of those that can be freed alone."""
    monkeypatch.setattr(holding, "AT_ONCE", 1)
    end(hold.agreement)
    for minutes in (5, 10):
        place_hold(
            budget=budget,
            reference=f"replica:2:{minutes}",
            amount_glm=Decimal(1),
            until=now - timedelta(minutes=minutes),
        )
    Hold.objects.filter(reference__startswith="replica:2:").update(created_at=now - timedelta(hours=1))
    assert free_ended_holds() == 1
    assert [each.reference for each in Hold.objects.filter(state=HoldState.EXPIRED)] == ["replica:2:10"]
    assert [free_ended_holds(), free_ended_holds()] == [1, 0]
    assert Hold.objects.get(state=HoldState.HELD) == hold


def test_one_that_can_not_be_freed_holds_up_no_other(budget, now, monkeypatch):
    first, other = (
        place_hold(
            budget=budget,
            reference=f"replica:{number}:1",
            amount_glm=Decimal(1),
            until=now - timedelta(minutes=5 - number),
        )
        for number in (1, 2)
    )
    free = holding._free_ended

    def broken(hold, *, now):
        if hold == first:
            raise ZeroDivisionError("as if there were a fault in it")
        return free(hold, now=now)

    monkeypatch.setattr(holding, "_free_ended", broken)
    assert free_ended_holds() == 1
    assert Hold.objects.get(state=HoldState.EXPIRED) == other


def end(agreement):
    agreement.move_to(AgreementState.TERMINATED, actor=TEST, reason="stopped", ended_at=timezone.now())
