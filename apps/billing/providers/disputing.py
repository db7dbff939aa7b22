"""Disputing: from a debit note that asks too much to a figure that both sides can live with.

The Hive's figure is what was rated; an operator may grant a part of the difference, or all of it, which the
Hive pays from its fees: a team never pays for more than was rated. Whose turn it is has a deadline. An owner
who says nothing lets the Hive's figure stand; an operator who says nothing has the dispute escalated.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.billing.ledger.accounts import AccountKind, TransferKind
from apps.billing.ledger.posting import exact, house_account, payable_account, transfer
from apps.billing.providers.disputes import MOST_LETTERS, OVER, Dispute, DisputeMessage, DisputeState, Side
from apps.billing.providers.escalating import tell_of_escalation
from apps.billing.providers.judging import accept_note, is_rated, rated_for, settled_before
from apps.billing.providers.models import DebitNote, DebitNoteState
from apps.billing.treasury.agreeing import must_be_agreed
from apps.money import ZERO, plain
from apps.teams.audit import Actor, AuditLine
from apps.teams.states import StaleState

OWNER_WITHIN = timedelta(days=30)
HIVE_WITHIN = timedelta(days=7)
CHASING = Actor.queen("disputes")


def dispute_of(agreement_id: Any) -> Dispute | None:
    """The open one of this agreement."""
    return Dispute.objects.filter(agreement=agreement_id).exclude(state__in=OVER).first()


# -- by notes that come in --------------------------------------------------------------------------------


@transaction.atomic
def take_up(note: DebitNote) -> Dispute:
    """Open a dispute over this note, or have the agreement's open one follow it."""
    rated = min(rated_for(note), note.amount)
    if (found := _locked(note)) is None:
        return _opened(note, rated)
    if note.sequence > found.note.sequence:
        found.note, found.asked_glm, found.rated_glm = note, note.amount, rated
        found.save(update_fields=["note", "asked_glm", "rated_glm"])
    _lend_deadline(found)
    return found


@transaction.atomic
def drop(note: DebitNote, *, actor: Actor) -> None:
    """This note asks for no more than we owe: what earlier notes asked beyond that is withdrawn with it."""
    found = _locked(note)
    if found is None or found.note.sequence >= note.sequence:
        return
    reason = f"note {note.sequence} asks for no more than was rated"
    granted = settled_before(note.agreement_id).granted_glm
    found.move_to(DisputeState.WITHDRAWN, actor=actor, reason=reason, granted_glm=granted)
    _accept_notes(found, actor=actor, reason=reason)


def _opened(note: DebitNote, rated: Decimal) -> Dispute:
    opened = Dispute.objects.create(
        agreement=note.agreement,
        note=note,
        asked_glm=note.amount,
        rated_glm=rated,
        granted_glm=settled_before(note.agreement_id).granted_glm,
        reason=note.reason,
        deadline_at=timezone.now() + OWNER_WITHIN,
    )
    AuditLine.write(opened, before="", after=opened.state, actor=CHASING, reason=note.reason)
    _lend_deadline(opened)
    return opened


def _locked(note: DebitNote) -> Dispute | None:
    """Its agreement's open dispute, which nobody else moves meanwhile."""
    live = Dispute.objects.filter(agreement=note.agreement_id).exclude(state__in=OVER)
    return live.select_related("note").select_for_update(of=("self",), no_key=True).first()


# -- by people --------------------------------------------------------------------------------------------


@transaction.atomic
def object_to(dispute: Dispute, *, user: Any, text: str) -> DisputeMessage:
    """The owner says why; from then on an operator's time runs. Raises ValueError, StateError."""
    message = _said(dispute, Side.OWNER, user, text)
    if dispute.state == DisputeState.WITH_OWNER:
        _turn(dispute, DisputeState.WITH_HIVE, HIVE_WITHIN, Actor.user(user), "the owner objects")
    return message


@transaction.atomic
def answer(dispute: Dispute, *, user: Any, text: str, figure_glm: Decimal | None = None) -> DisputeMessage:
    """An operator answers, and may offer `figure_glm` in all; an offer is kept and only rises.

    Raises ValueError for a figure that can't be offered, and StateError.
    """
    granted = dispute.granted_glm if figure_glm is None else _granted(dispute, figure_glm, user=user)
    message = _said(dispute, Side.HIVE, user, text, figure_glm=figure_glm)
    told = f"the Hive offers {plain(figure_glm)} GLM" if figure_glm is not None else "the Hive answers"
    if dispute.state == DisputeState.WITH_OWNER:
        needed = dispute.approvals_needed
        Dispute.objects.filter(pk=dispute.pk).update(granted_glm=granted, approvals_needed=needed)
        dispute.granted_glm = granted
    else:
        to = DisputeState.WITH_OWNER
        needed = dispute.approvals_needed
        _turn(dispute, to, OWNER_WITHIN, Actor.user(user), told, granted_glm=granted, approvals_needed=needed)
    return message


@transaction.atomic
def accept_figure(dispute: Dispute, *, user: Any, gives_up_glm: Decimal) -> None:
    """The owner takes the Hive's figure and gives up the rest, which is what they saw and no more.

    Raises ValueError when a note that came since asks for more, and StateError.
    """
    _hold_still(dispute)
    if dispute.open_glm > gives_up_glm:
        raise ValueError(
            f"the difference is {plain(dispute.open_glm)} GLM now, not {plain(gives_up_glm)}: look again"
        )
    reason = f"the owner accepts {plain(dispute.hive_glm)} GLM"
    _settle(dispute, actor=Actor.user(user), reason=reason)


@transaction.atomic
def decide(dispute: Dispute, *, user: Any, figure_glm: Decimal, text: str) -> None:
    """An operator ends it at this figure, between what is offered and what is asked.

    Raises ValueError, StateError.
    """
    _hold_still(dispute)
    granted = _granted(dispute, figure_glm, user=user)
    _said(dispute, Side.HIVE, user, text, figure_glm=figure_glm)
    reason = f"decided at {plain(figure_glm)} GLM: {text}"
    _settle(dispute, actor=Actor.user(user), reason=reason, granted_glm=granted)


def end_as_rated(dispute: Dispute, *, actor: Actor, reason: str) -> None:
    """An operator ends it at the Hive's figure as it stands."""
    with transaction.atomic():
        _hold_still(dispute)
        _settle(dispute, actor=actor, reason=reason)


def _said(
    dispute: Dispute, side: Side, user: Any, text: str, *, figure_glm: Decimal | None = None
) -> DisputeMessage:
    text = text.strip()
    if not text or len(text) > MOST_LETTERS:
        raise ValueError(f"a message has between 1 and {MOST_LETTERS} letters")
    _hold_still(dispute)
    return DisputeMessage.objects.create(
        dispute=dispute, side=side, author=user, text=text, figure_glm=figure_glm
    )


def _granted(dispute: Dispute, figure_glm: Decimal, *, user: Any) -> Decimal:
    """What this figure grants over the rating. Raises NotAgreed where it is large and one operator's word."""
    _hold_still(dispute)
    if not dispute.hive_glm <= figure_glm <= dispute.asked_glm:
        low, high = plain(dispute.hive_glm), plain(dispute.asked_glm)
        raise ValueError(f"{plain(figure_glm)} GLM: expected between {low}, the Hive's figure, and {high}")
    if figure_glm == dispute.hive_glm:
        return dispute.granted_glm
    exact(figure_glm)
    if dispute.agreement.node.owner_id == user.pk:
        raise ValueError("this Bee is your own: another operator has to grant you more than was rated")
    if not is_rated(dispute.note):
        raise ValueError("its usage report is not rated here: what it was for would be paid twice if it came")
    granted = figure_glm - dispute.rated_glm
    needed = must_be_agreed(dispute, total_glm=granted, user=user)
    dispute.approvals_needed = max(dispute.approvals_needed, needed)
    return granted


# -- by the clock -----------------------------------------------------------------------------------------


def chase_disputes(*, now: datetime | None = None) -> int:
    """Let the Hive's figure stand where the owner was silent, escalate where operators were; how many."""
    now, moved = now or timezone.now(), 0
    late = Dispute.objects.filter(
        deadline_at__lt=now, state__in=[DisputeState.WITH_OWNER, DisputeState.WITH_HIVE]
    )
    for dispute in late.select_related("agreement__node", "note").order_by("deadline_at")[:500]:
        with suppress(StaleState):  # somebody spoke meanwhile
            _chase(dispute, now=now)
            moved += 1
    return moved


@transaction.atomic
def _chase(dispute: Dispute, *, now: datetime) -> None:
    _hold_still(dispute)
    if dispute.deadline_at is None or dispute.deadline_at >= now:
        raise StaleState(f"{dispute} has another deadline by now")
    if dispute.state == DisputeState.WITH_HIVE:
        reason = f"no operator answered within {HIVE_WITHIN.days} days"
        _turn(dispute, DisputeState.ESCALATED, HIVE_WITHIN, CHASING, reason)
        tell_of_escalation(dispute)
    else:
        reason = f"nothing was said within {OWNER_WITHIN.days} days: the Hive's figure stands"
        _settle(dispute, actor=CHASING, reason=reason)


# -- how it moves -----------------------------------------------------------------------------------------


def _turn(dispute: Dispute, to: str, within: timedelta, actor: Actor, reason: str, **changes: Any) -> None:
    dispute.move_to(to, actor=actor, reason=reason, deadline_at=timezone.now() + within, **changes)
    _lend_deadline(dispute)


def _lend_deadline(dispute: Dispute) -> None:
    """Its notes wait for it, so they are late when it is."""
    notes = DebitNote.objects.filter(agreement=dispute.agreement_id, state=DebitNoteState.DISPUTED)
    notes.update(deadline_at=dispute.deadline_at)


def _hold_still(dispute: Dispute) -> None:
    """Read its figures under a lock: a newer note may have moved them. Raises StaleState when it moved on."""
    now = Dispute.objects.select_for_update(no_key=True).get(pk=dispute.pk)
    if now.state != dispute.state or now.is_terminal:
        raise StaleState(f"{dispute} is {now.get_state_display().lower()} by now")
    for name in ("note_id", "asked_glm", "rated_glm", "granted_glm", "deadline_at"):
        setattr(dispute, name, getattr(now, name))
    dispute.approvals_needed = max(dispute.approvals_needed, now.approvals_needed)


def _settle(dispute: Dispute, *, actor: Actor, reason: str, granted_glm: Decimal | None = None) -> None:
    """What is granted beyond what earlier disputes brought is paid by the Hive, once."""
    paid = settled_before(dispute.agreement_id).granted_glm
    granted = dispute.granted_glm if granted_glm is None else granted_glm
    dispute.move_to(
        DisputeState.SETTLED,
        actor=actor,
        reason=reason,
        granted_glm=granted,
        approvals_needed=dispute.approvals_needed,
    )
    if granted > paid:
        transfer(
            key=dispute.concession_key,
            kind=TransferKind.CONCESSION,
            debit=house_account(AccountKind.FEES),
            credit=payable_account(dispute.agreement.node),
            amount_glm=granted - paid,
            reference=f"agreement:{dispute.agreement_id}",
        )
    _accept_notes(dispute, actor=actor, reason=reason)


def _accept_notes(dispute: Dispute, *, actor: Actor, reason: str) -> None:
    """Every disputed note of its agreement, each at what was rated up to its report and what was granted."""
    notes = DebitNote.objects.filter(agreement=dispute.agreement_id, state=DebitNoteState.DISPUTED)
    for note in notes.select_related("agreement").order_by("sequence"):
        accepted = min(note.amount, rated_for(note) + dispute.granted_glm)
        accept_note(note, accepted_glm=max(accepted, ZERO), actor=actor, reason=reason)
