from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from django.utils import timezone

from apps.billing.debit_notes import note_acks, review_debit_notes, store_debit_notes
from apps.billing.metering import store_usage
from apps.billing.models import DebitNote, DebitNoteState, MeteringFault, MeteringFaultKind
from apps.billing.rating import rate_usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def rated(meter, node):
    """One report, rated at 0.000226 GLM."""
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    return meter


def take_in(node, *notes):
    store_debit_notes(node_id=node.id, notes=list(notes))
    review_debit_notes()
    return list(DebitNote.objects.order_by("sequence"))


@pytest.mark.parametrize("asked", ["0.000226", "0.0002"])
def test_it_accepts_what_was_rated_or_less(rated, node, asked):
    [note] = take_in(node, rated.note(asked))
    assert (note.state, note.amount_accepted) == (DebitNoteState.ACCEPTED, Decimal(asked))


def test_it_disputes_more_and_says_by_how_much(rated, node):
    [note] = take_in(node, rated.note("0.000227"))
    assert (note.state, note.amount_accepted) == (DebitNoteState.DISPUTED, Decimal("0.000226"))
    assert note.reason == "asks 0.000227 GLM, 0.000226 were rated up to report 1: 0.000001 too much"
    [ack] = note_acks(node.id)
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
