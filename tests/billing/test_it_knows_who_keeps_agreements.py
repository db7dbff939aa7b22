"""What the books tell of a node's conduct: paid work speaks for it, false and inflated claims against it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from apps.billing.budgets.holding import free_ended_holds
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import DebitNote, Hold, HoldState, UsageRecord
from apps.billing.providers.debit_notes import review_debit_notes, store_debit_notes
from apps.market.models import Agreement, FactKind, ReputationFact
from apps.market.negotiating.agreements import MARKET, terminate
from apps.market.reputation.dealing import note_loss
from apps.nodes.models import Node
from apps.teams.models import User
from tests.cast import key_of_bee

pytestmark = pytest.mark.django_db


@pytest.fixture
def node(node: Node, stranger: User) -> Node:
    """Of somebody who has no part in the team that rents it."""
    Node.objects.filter(pk=node.pk).update(owner=stranger)
    node.refresh_from_db()
    return node


def facts() -> list[tuple[str, float, float]]:
    return list(ReputationFact.objects.order_by("pk").values_list("kind", "weight", "merit"))


def close(agreement: Agreement) -> None:
    """It ends, and some time later all its usage is rated."""
    terminate(agreement, actor=MARKET, reason="no longer wanted")
    rate_usage()
    Agreement.objects.filter(pk=agreement.pk).update(ended_at=timezone.now() - timedelta(hours=1))
    Hold.objects.update(deadline_at=timezone.now() - timedelta(hours=1))
    assert free_ended_holds() == 1


def test_paid_work_is_an_agreement_kept_and_weighs_by_its_time(
    meter: Any, node: Node, agreement: Agreement
) -> None:
    store_usage(node_id=node.pk, reports=[meter.report()])
    close(agreement)
    ran = UsageRecord.objects.get()
    assert ran.billed_running_ms
    assert facts() == [(FactKind.KEPT, pytest.approx(ran.billed_running_ms / 3_600_000), 1.0)]
    assert ReputationFact.objects.get().agreement == agreement


def test_an_agreement_without_work_is_no_merit(meter: Any, node: Node, agreement: Agreement) -> None:
    close(agreement)
    assert facts() == []


def test_an_agreement_that_was_lost_is_not_kept_as_well(meter: Any, node: Node, agreement: Agreement) -> None:
    store_usage(node_id=node.pk, reports=[meter.report()])
    note_loss(agreement, "it fell silent")
    close(agreement)
    assert facts() == [(FactKind.LOST, 1.0, 0.0)]


def test_a_hold_that_runs_out_under_an_agreement_in_force_says_nothing_yet(
    meter: Any, node: Node, agreement: Agreement
) -> None:
    store_usage(node_id=node.pk, reports=[meter.report()])
    rate_usage()
    Hold.objects.update(deadline_at=timezone.now() - timedelta(hours=1))
    free_ended_holds()
    assert Hold.objects.get().state != HoldState.HELD
    assert facts() == []


def test_a_claim_weighs_by_how_much_it_was_too_high(meter: Any, node: Node, agreement: Agreement) -> None:
    store_usage(node_id=node.pk, reports=[meter.report()])
    rate_usage()
    for _ in range(2):  # the next note of the same agreement asks as much
        store_debit_notes(node_id=node.pk, notes=[meter.note("0.000452")])
        review_debit_notes()
    note = DebitNote.objects.order_by("sequence")[0]
    assert note.amount_accepted == Decimal("0.000226")
    assert facts() == [(FactKind.DISPUTED, 0.5, 0.0)]


def test_a_forged_report_counts_once_for_each_agreement(meter: Any, node: Node, agreement: Agreement) -> None:
    for _ in range(3):
        store_usage(node_id=node.pk, reports=[meter.report(key=key_of_bee(99))])
    assert facts() == [(FactKind.MISREPORTED, 1.0, 0.0)]
    assert "signature" in ReputationFact.objects.get().detail


def test_a_gap_is_nobodys_lie(meter: Any, node: Node, agreement: Agreement) -> None:
    meter.report()
    store_usage(node_id=node.pk, reports=[meter.report()])
    assert facts() == []
