"""A note asks too much: the owner speaks, an operator answers, a figure is settled, and it is paid once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.billing.ledger.posting import balance, check_ledger, house_account, payable_account
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import (
    AccountKind,
    DebitNote,
    DebitNoteState,
    Dispute,
    DisputeMessage,
    DisputeState,
)
from apps.billing.providers.debit_notes import (
    accept_as_rated,
    note_acks,
    review_debit_notes,
)
from apps.billing.providers.disputing import accept_figure, answer, chase_disputes, decide, object_to
from apps.billing.providers.earnings import by_agreement, earnings_of, told
from apps.billing.treasury.following import finish_transaction
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import User
from apps.teams.notices.sending import deliver_notices
from apps.teams.states import StaleState, StateError
from tests.billing.test_it_reviews_debit_notes import pay
from tests.billing.treasury_of_tests import take_in

pytestmark = pytest.mark.django_db

RATED, ASKED = Decimal("0.000226"), Decimal("0.000326")
DIFFERENCE = ASKED - RATED


@pytest.fixture
def operator(db):
    return User.objects.create_superuser(username="otto", password="otto-password")


@pytest.fixture
def dispute(rated, node):
    """One report rated at 0.000226 GLM, for which 0.000326 are asked."""
    take_in(node, rated.note(str(ASKED)))
    return Dispute.objects.get()


def run_again(rated, node, asked, *, sequence=2):
    """Another report, of 0.000126 GLM, and a note."""
    store_usage(node_id=node.id, reports=[rated.report()])
    rate_usage()
    take_in(node, rated.note(asked, sequence=sequence))
    return DebitNote.objects.get(sequence=sequence)


def late(dispute):
    Dispute.objects.filter(pk=dispute.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    dispute.refresh_from_db()
    return dispute


def test_it_opens_with_the_difference(dispute):
    assert dispute.state == DisputeState.WITH_OWNER
    assert (dispute.asked_glm, dispute.rated_glm, dispute.open_glm) == (ASKED, RATED, DIFFERENCE)
    assert dispute.reason == "asks 0.000326 GLM, 0.000226 were rated up to report 1: 0.0001 too much"


def test_it_opens_none_for_a_note_that_asks_what_was_rated(rated, node):
    take_in(node, rated.note(str(RATED)))
    assert not Dispute.objects.exists()


def test_the_owner_takes_the_hives_figure(dispute, node, owner):
    accept_figure(dispute, user=owner, gives_up_glm=DIFFERENCE)
    note = DebitNote.objects.get()
    assert (dispute.state, note.state, note.amount_accepted) == ("settled", "accepted", RATED)
    assert balance(payable_account(node)) == RATED, "nothing was granted"
    finish_transaction(pay(node).transaction)
    note.refresh_from_db()
    assert note.state == DebitNoteState.PAID


def test_the_bee_is_told_how_it_ended_though_the_note_is_old(dispute, node, owner):
    long_ago = timezone.now() - timedelta(days=9)
    DebitNote.objects.update(received_at=long_ago, state_since=long_ago)
    assert note_acks([node.id]) == {}
    accept_figure(dispute, user=owner, gives_up_glm=DIFFERENCE)
    [ack] = note_acks([node.id])[node.id]
    assert (ack.state, ack.reason) == ("accepted", "the owner accepts 0.000226 GLM")


def test_the_owner_gives_up_no_more_than_they_saw(dispute, rated, node, owner):
    run_again(rated, node, "0.000552")
    with pytest.raises(ValueError, match=r"the difference is 0.0002 GLM now, not 0.0001"):
        accept_figure(dispute, user=owner, gives_up_glm=DIFFERENCE)


def test_they_talk_in_turns(dispute, owner, operator):
    object_to(dispute, user=owner, text="My clock is right: see the journal.")
    assert dispute.state == DisputeState.WITH_HIVE
    answer(dispute, user=operator, text="Which minute?")
    assert dispute.state == DisputeState.WITH_OWNER
    object_to(dispute, user=owner, text="The first.")
    object_to(dispute, user=owner, text="And the second.")
    assert [(each.side, each.author.username) for each in dispute.messages.all()] == [
        ("owner", "olga"),
        ("hive", "otto"),
        ("owner", "olga"),
        ("owner", "olga"),
    ]
    note = DebitNote.objects.get()
    dispute.refresh_from_db()
    assert note.deadline_at == dispute.deadline_at, "the note waits for the dispute"


@pytest.mark.parametrize("text", ["", "  \n", "x" * 4001])
def test_it_takes_no_empty_and_no_endless_message(dispute, owner, text):
    with pytest.raises(ValueError, match="between 1 and 4000 letters"):
        object_to(dispute, user=owner, text=text)
    assert not DisputeMessage.objects.exists()


def test_a_part_is_granted_and_paid_by_the_hive(dispute, node, owner, operator):
    object_to(dispute, user=owner, text="It ran on.")
    answer(dispute, user=operator, text="Half of it, then.", figure_glm=Decimal("0.000276"))
    assert balance(payable_account(node)) == RATED, "an offer moves no money"
    accept_figure(dispute, user=owner, gives_up_glm=dispute.open_glm)
    note = DebitNote.objects.get()
    assert (note.state, note.amount_accepted) == ("accepted", Decimal("0.000276"))
    assert balance(payable_account(node)) == Decimal("0.000276")
    assert balance(house_account(AccountKind.FEES)) == Decimal("-0.00005")
    assert check_ledger() == []


def test_what_is_granted_counts_as_earned(dispute, node, operator):
    decide(dispute, user=operator, figure_glm=ASKED, text="You are right.")
    assert earnings_of([node.pk])[node.pk].total_glm == ASKED
    [row] = by_agreement([node.pk], since=timezone.now() - timedelta(days=1))
    assert (told(row).earned_glm, told(row).dispute_id) == (ASKED, dispute.pk)


def test_a_note_is_paid_only_with_what_was_granted(dispute, node, operator):
    payment = pay(node)
    decide(dispute, user=operator, figure_glm=ASKED, text="You are right.")
    finish_transaction(payment.transaction)
    assert DebitNote.objects.get().state == DebitNoteState.ACCEPTED
    finish_transaction(pay(node).transaction)
    assert DebitNote.objects.get().state == DebitNoteState.PAID


def test_it_takes_no_offer_back(dispute, operator):
    answer(dispute, user=operator, text="Half of it.", figure_glm=Decimal("0.000276"))
    for figure in (RATED, ASKED + DIFFERENCE):
        with pytest.raises(ValueError, match=r"expected between 0.000276, the Hive's figure, and 0.000326"):
            decide(dispute, user=operator, figure_glm=figure, text="No.")
    assert dispute.messages.count() == 1


def test_nobody_grants_themselves(dispute, owner):
    owner.is_superuser = owner.is_staff = True
    owner.save()
    with pytest.raises(ValueError, match="another operator"):
        decide(dispute, user=owner, figure_glm=ASKED, text="I am right.")


def test_it_grants_nothing_for_a_report_it_does_not_know(rated, node, operator):
    take_in(node, rated.note("1", usage_hash="0x" + "cd" * 32))
    DebitNote.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    review_debit_notes()
    dispute = Dispute.objects.get()
    assert dispute.rated_glm == RATED
    with pytest.raises(ValueError, match="would be paid twice"):
        decide(dispute, user=operator, figure_glm=Decimal(1), text="So be it.")


def test_it_is_settled_once(dispute, node, owner, operator):
    same = Dispute.objects.get()
    decide(dispute, user=operator, figure_glm=ASKED, text="You are right.")
    for verb in (
        lambda: accept_figure(same, user=owner, gives_up_glm=DIFFERENCE),
        lambda: decide(same, user=operator, figure_glm=ASKED, text="Again."),
        lambda: object_to(same, user=owner, text="And yet."),
    ):
        with pytest.raises(StaleState, match="settled by now"):
            verb()
    assert balance(payable_account(node)) == ASKED


# -- notes that come meanwhile and after ------------------------------------------------------------------


def test_one_dispute_follows_the_newest_note(dispute, rated, node):
    second = run_again(rated, node, "0.000452")
    [found] = Dispute.objects.all()
    assert (found.note, found.asked_glm, found.rated_glm) == (
        second,
        Decimal("0.000452"),
        Decimal("0.000352"),
    )


def test_it_is_withdrawn_by_a_note_that_asks_no_more(dispute, rated, node):
    run_again(rated, node, "0.000352")
    dispute.refresh_from_db()
    assert (dispute.state, dispute.reason) == ("withdrawn", "note 2 asks for no more than was rated")
    assert [(each.state, each.amount_accepted) for each in DebitNote.objects.order_by("sequence")] == [
        ("accepted", RATED),
        ("accepted", Decimal("0.000352")),
    ]


def test_it_argues_once_about_the_same_difference(dispute, rated, node, owner):
    accept_figure(dispute, user=owner, gives_up_glm=DIFFERENCE)
    note = run_again(rated, node, "0.000452")
    assert (note.state, note.amount_accepted) == ("accepted", Decimal("0.000352"))
    assert note.reason == "asks 0.0001 GLM too much, as settled in a dispute"
    assert run_again(rated, node, "0.000579", sequence=3).state == DebitNoteState.DISPUTED


def test_it_pays_what_was_granted_once(dispute, rated, node, owner, operator):
    decide(dispute, user=operator, figure_glm=Decimal("0.000276"), text="Half of it.")
    note = run_again(rated, node, "0.000502")
    assert note.state == DebitNoteState.DISPUTED
    again = Dispute.objects.get(state=DisputeState.WITH_OWNER)
    assert (again.hive_glm, again.open_glm) == (Decimal("0.000402"), Decimal("0.0001"))
    accept_figure(again, user=owner, gives_up_glm=again.open_glm)
    assert balance(payable_account(node)) == Decimal("0.000402")
    assert check_ledger() == []


# -- deadlines --------------------------------------------------------------------------------------------


def test_the_hives_figure_stands_when_the_owner_is_silent(dispute):
    assert chase_disputes() == 0
    late(dispute)
    assert chase_disputes() == 1
    dispute.refresh_from_db()
    assert (dispute.state, DebitNote.objects.get().state) == ("settled", "accepted")
    assert "nothing was said within 30 days" in dispute.reason


def test_it_is_escalated_when_operators_are_silent(dispute, owner, operator, settings, mailoutbox):
    settings.HIVE_OPERATORS_EMAIL = ["ops@hive.example"]
    object_to(dispute, user=owner, text="It ran on.")
    late(dispute)
    assert chase_disputes() == 1
    dispute.refresh_from_db()
    assert (dispute.state, dispute.reason) == ("escalated", "no operator answered within 7 days")
    deliver_notices()
    told = {mail.to[0]: (mail.subject, mail.body) for mail in mailoutbox}
    assert set(told) == {"ops@hive.example", owner.email}
    assert told["ops@hive.example"][0] == f"Escalated: {dispute} waits for an answer"
    assert all(f"/disputes/{dispute.pk}/" in body for _, body in told.values())
    late(dispute)
    assert chase_disputes() == 0, "it stands out until an operator answers"
    answer(dispute, user=operator, text="Sorry.")
    assert dispute.state == DisputeState.WITH_OWNER


# -- the old verb, and the database -----------------------------------------------------------------------


def test_the_admins_verb_settles_it_too(dispute):
    note = DebitNote.objects.get()
    accept_as_rated(note, actor=Actor("user", "otto"), reason="agreed by mail")
    dispute.refresh_from_db()
    assert (dispute.state, note.state, note.amount_accepted) == ("settled", "accepted", RATED)
    assert AuditLine.objects.filter(noun="dispute").first().reason == "agreed by mail"
    with pytest.raises(StateError):
        accept_as_rated(note, actor=Actor("user", "otto"), reason="again")


@pytest.mark.parametrize(
    ("sql", "because"),
    [
        ("DELETE FROM billing_disputemessage", "stays as it was said"),
        ("UPDATE billing_disputemessage SET text = 'other'", "stays as it was said"),
        ("UPDATE billing_disputemessage SET figure_glm = 9", "stays as it was said"),
        ("DELETE FROM billing_dispute", "a dispute is settled, not deleted"),
        ("UPDATE billing_dispute SET granted_glm = 9", "the dispute is over"),
        ("UPDATE billing_dispute SET state = 'with_owner', deadline_at = now()", "no way from settled"),
    ],
)
def test_the_database_keeps_what_was_said_and_settled(dispute, owner, operator, sql, because):
    object_to(dispute, user=owner, text="It ran on.")
    decide(dispute, user=operator, figure_glm=Decimal("0.000276"), text="Half of it.")
    with pytest.raises(DatabaseError, match=because), transaction.atomic():
        connection.cursor().execute(sql)
