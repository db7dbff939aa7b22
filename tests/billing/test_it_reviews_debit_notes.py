from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from django.utils import timezone

from apps.billing.ledger.posting import balance, house_account, payable_account, transfer
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import (
    AccountKind,
    DebitNote,
    DebitNoteState,
    MeteringFault,
    MeteringFaultKind,
)
from apps.billing.providers.covering import mark_paid_notes
from apps.billing.providers.debit_notes import (
    accept_as_rated,
    note_acks,
    review_debit_notes,
)
from apps.billing.treasury.following import finish_transaction
from apps.teams.audit import Actor, AuditLine
from apps.teams.states import StateError
from tests.billing.payments_of_tests import carried
from tests.billing.treasury_of_tests import take_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("asked", ["0.000226", "0.0002"])
def test_it_accepts_what_was_rated_or_less(rated, node, asked):
    [note] = take_in(node, rated.note(asked))
    assert (note.state, note.amount_accepted) == (DebitNoteState.ACCEPTED, Decimal(asked))


def test_it_disputes_more_and_says_by_how_much(rated, node):
    [note] = take_in(node, rated.note("0.000227"))
    assert (note.state, note.amount_accepted) == (DebitNoteState.DISPUTED, Decimal("0.000226"))
    assert note.reason == "asks 0.000227 GLM, 0.000226 were rated up to report 1: 0.000001 too much"
    [ack] = note_acks([node.id])[node.id]
    assert (ack.sequence, ack.state, ack.reason) == (1, "disputed", note.reason)


def test_it_waits_until_the_usage_is_rated(meter, node):
    report = meter.report()
    [note] = take_in(node, meter.note("0.000226"))
    assert note.state == DebitNoteState.RECEIVED
    store_usage(node_id=node.id, reports=[report])
    rate_usage()
    assert review_debit_notes() == 1
    note.refresh_from_db()
    assert note.state == DebitNoteState.ACCEPTED


def test_it_disputes_a_note_for_usage_that_never_came(meter, node):
    take_in(node, meter.note("1", usage_hash="0x" + "cd" * 32))
    DebitNote.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    review_debit_notes()
    note = DebitNote.objects.get()
    assert (note.state, note.amount_accepted) == (DebitNoteState.DISPUTED, 0)


def test_it_stores_a_note_once(rated, node):
    for _ in range(2):
        take_in(node, rated.note("0.000226"))
    assert DebitNote.objects.count() == 1
    assert not MeteringFault.objects.exists()


@pytest.mark.parametrize(
    "other", [{"amount_glm": "0.0002"}, {"amount_glm": "0.000226", "usage_hash": "0x" + "cd" * 32}]
)
def test_it_shows_another_note_with_the_same_number_and_keeps_the_first(rated, node, other):
    take_in(node, rated.note("0.000226"))
    assert [note.amount for note in take_in(node, rated.note(**other))] == [Decimal("0.000226")]
    assert DebitNote.objects.get().usage_hash == rated.head
    fault = MeteringFault.objects.get()
    assert (fault.kind, fault.sequence) == (MeteringFaultKind.FORK, 1)
    assert fault.detail.startswith(f"debit note 1 asks {other['amount_glm']} GLM up to ")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"amount_glm": Decimal("0.0001")}, MeteringFaultKind.SIGNATURE),
        ({"usage_hash": "0x12"}, MeteringFaultKind.SIGNATURE),
        ({"amount_glm": Decimal(-1)}, MeteringFaultKind.RANGE),
        ({"amount_glm": Decimal("1e19")}, MeteringFaultKind.RANGE),
        ({"amount_glm": Decimal("NaN")}, MeteringFaultKind.RANGE),
    ],
)
def test_it_refuses_a_note_that_was_not_signed_so(rated, node, change, kind):
    assert take_in(node, msgspec.structs.replace(rated.note("0.000226"), **change)) == []
    assert MeteringFault.objects.get().kind == kind


def test_it_refuses_a_note_of_another_node(rated, make_node):
    assert take_in(make_node(), rated.note("0.000226")) == []


def pay(node):
    """As if the chain had carried a payment over all that is payable to the end."""
    account = payable_account(node)
    amount = balance(account)
    payment = carried(node=node, recipient=node.id, amount=amount, state="confirmed", block_number=3)
    in_flight = house_account(AccountKind.IN_FLIGHT)
    transfer(key=f"payout:{payment.id}", kind="payout", debit=account, credit=in_flight, amount_glm=amount)
    return payment


def test_it_is_paid_when_it_comes_after_the_payment(rated, node):
    finish_transaction((payment := pay(node)).transaction)
    [note] = take_in(node, rated.note("0.000226"))
    assert (note.state, note.payment) == (DebitNoteState.PAID, payment)


def test_it_is_paid_only_when_the_payment_is_final(rated, node):
    payment = pay(node)
    [note] = take_in(node, rated.note("0.000226"))
    assert (note.state, mark_paid_notes()) == (DebitNoteState.ACCEPTED, 0)
    finish_transaction(payment.transaction)
    note.refresh_from_db()
    assert (note.state, note.payment) == (DebitNoteState.PAID, payment)


def test_it_is_not_paid_by_a_payment_for_what_came_before(rated, node):
    finish_transaction(pay(node).transaction)
    store_usage(node_id=node.id, reports=[rated.report()])
    rate_usage()
    [note] = take_in(node, rated.note("0.000352"))
    assert (note.state, mark_paid_notes()) == (DebitNoteState.ACCEPTED, 0)
    finish_transaction(pay(node).transaction)
    note.refresh_from_db()
    assert note.state == DebitNoteState.PAID


def test_it_is_paid_though_more_was_posted_since(rated, node):
    [note] = take_in(node, rated.note("0.000226"))
    payment = pay(node)
    store_usage(node_id=node.id, reports=[rated.report()])
    rate_usage()
    finish_transaction(payment.transaction)
    note.refresh_from_db()
    assert note.state == DebitNoteState.PAID


def test_an_operator_ends_a_dispute_by_our_rating(rated, node):
    [note] = take_in(node, rated.note("0.000227"))
    accept_as_rated(note, actor=Actor("user", "otto"), reason="agreed by mail")
    assert (note.state, note.amount_accepted) == (DebitNoteState.ACCEPTED, Decimal("0.000226"))
    line = AuditLine.objects.filter(noun="debitnote").first()
    assert (line.actor, line.before, line.after, line.reason) == (
        "user:otto",
        "disputed",
        "accepted",
        "agreed by mail",
    )
    finish_transaction(pay(node).transaction)
    note.refresh_from_db()
    assert note.state == DebitNoteState.PAID


def test_a_dispute_over_what_is_paid_ends_paid(rated, node):
    [note] = take_in(node, rated.note("0.000227"))
    finish_transaction(pay(node).transaction)
    note.refresh_from_db()
    assert note.state == DebitNoteState.DISPUTED
    accept_as_rated(note, actor=Actor("user", "otto"), reason="agreed by mail")
    assert note.state == DebitNoteState.PAID


def test_only_a_dispute_can_be_ended(rated, node):
    [note] = take_in(node, rated.note("0.000226"))
    with pytest.raises(StateError):
        accept_as_rated(note, actor=Actor("user", "otto"), reason="agreed by mail")
