"""Debit notes: what the Bees ask, held against what we rated."""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agent import protocol, typed_data
from apps.billing.ledger.posting import LIMIT_GLM
from apps.billing.metering.conduct import note_dispute
from apps.billing.metering.faults import Fault, write_faults
from apps.billing.metering.models import MeteringFaultKind, UsageState
from apps.billing.metering.usage_chain import MOST_SEQUENCE, agreement_named
from apps.billing.providers.disputing import OWNER_WITHIN, dispute_of, drop, end_as_rated, take_up
from apps.billing.providers.judging import accept_note, rated_for, report_of, settled_before
from apps.billing.providers.models import DebitNote, DebitNoteState
from apps.market.models import Agreement
from apps.money import ZERO, plain, round_glm
from apps.teams.audit import Actor
from apps.teams.states import StaleState

log = logging.getLogger("hive.billing")

Asked = tuple[uuid.UUID, protocol.DebitNote]
"""An agreement, and what is asked for it."""

REVIEW = Actor.queen("review")
REVIEW_WITHIN = timedelta(hours=1)
"""A note whose usage we still do not know by then is disputed."""


def store_debit_notes(*, node_id: str, notes: list[protocol.DebitNote]) -> int:
    """Store notes that this node signed for agreements of its own; a forged one becomes a MeteringFault, and
    so does one that says otherwise than the one that is stored with its number.

    Idempotent by (agreement, sequence). Returns how many were good.
    """
    asked = [(pk, note) for note in notes if (pk := agreement_named(note.agreement_id)) is not None]
    own = set(
        Agreement.objects.filter(node=node_id, pk__in=[pk for pk, _ in asked]).values_list("pk", flat=True)
    )
    mine = [(pk, note) for pk, note in asked if pk in own]
    if len(mine) < len(notes):
        log.warning("debit notes: node %s asks for agreements that are not its own", node_id)
    objections = [_objection(note, node_id) for _, note in mine]
    write_faults((pk, fault) for (pk, _), fault in zip(mine, objections, strict=True) if fault)
    good = [pair for pair, fault in zip(mine, objections, strict=True) if fault is None]
    DebitNote.objects.bulk_create([_row(pk, note) for pk, note in good], ignore_conflicts=True)
    forks = list(_forks(good))
    write_faults(forks)
    return len(good) - len(forks)


def _forks(signed: Sequence[Asked]) -> Iterator[tuple[uuid.UUID, Fault]]:
    """Notes of which another one with the same number is stored: the first counts."""
    sequences = {note.sequence for _, note in signed}
    stored = DebitNote.objects.filter(agreement__in={pk for pk, _ in signed}, sequence__in=sequences)
    firsts = {(note.agreement_id, note.sequence): note for note in stored}
    for pk, note in signed:
        first = firsts[pk, note.sequence]
        if (note.amount_glm, note.usage_hash, note.final) != (first.amount, first.usage_hash, first.final):
            asked, before = plain(note.amount_glm), plain(first.amount)
            said = f"debit note {note.sequence} asks {asked} GLM up to {note.usage_hash[:18]}"
            yield pk, Fault(MeteringFaultKind.FORK, note.sequence, f"{said}, the first one {before}")


def note_acks(node_ids: Collection[str]) -> dict[str, list[protocol.NoteAck]]:
    """The newest note of each agreement with its standing: a note covers all that came before it.

    One query for all of these nodes; one that asked for nothing has an empty list.
    """
    lately = timezone.now() - timedelta(days=1)
    notes = DebitNote.objects.filter(agreement__node__in=node_ids).filter(
        Q(state=DebitNoteState.RECEIVED) | Q(received_at__gte=lately) | Q(state_since__gte=lately)
    )
    newest = notes.order_by("agreement_id", "-sequence").distinct("agreement_id")
    acks = defaultdict[str, list[protocol.NoteAck]](list)
    for node_id, pk, sequence, state, reason in newest.values_list(
        "agreement__node_id", "agreement_id", "sequence", "state", "reason"
    ):
        acks[node_id].append(
            protocol.NoteAck(agreement_id=str(pk), sequence=sequence, state=state, reason=reason)
        )
    return acks


def review_debit_notes() -> int:
    """Accept or dispute every note whose usage is rated by now. Returns how many were decided.

    A note that another worker decided meanwhile is left to it.
    """
    decided = 0
    waiting = DebitNote.objects.filter(state=DebitNoteState.RECEIVED).select_related("agreement")
    for note in waiting.order_by("received_at")[:1000]:
        with suppress(StaleState):
            decided += _review(note)
    return decided


@transaction.atomic
def accept_as_rated(note: DebitNote, *, actor: Actor, reason: str) -> None:
    """End a dispute by our own figure: accepted is what was rated up to its report, not what it asks."""
    found = dispute_of(note.agreement_id) if note.state == DebitNoteState.DISPUTED else None
    if found is None:
        accepted = min(note.amount, rated_for(note))
        accept_note(note, accepted_glm=accepted, actor=actor, reason=reason)
    else:
        end_as_rated(found, actor=actor, reason=reason)
        note.refresh_from_db()


def _review(note: DebitNote) -> bool:
    report = report_of(note)
    if report is None or report.state != UsageState.POSTED:
        return _give_up(note) if note.deadline_at and note.deadline_at < timezone.now() else False
    rated, settled = rated_for(note), settled_before(note.agreement_id)
    owed = rated + settled.granted_glm
    if note.amount <= owed:
        _accept(note, note.amount, "agrees with our rating" if note.amount <= rated else "granted before")
    elif note.amount - owed <= settled.given_up_glm:
        _accept(note, owed, f"asks {plain(note.amount - owed)} GLM too much, as settled in a dispute")
    else:
        _dispute(note, owed, difference(note.amount, owed, report.sequence))
    return True


def difference(asked: Decimal, rated: Decimal, sequence: int) -> str:
    rating = f"{plain(rated)} were rated up to report {sequence}"
    return f"asks {plain(asked)} GLM, {rating}: {plain(asked - rated)} too much"


def _give_up(note: DebitNote) -> bool:
    """What is known to be rated stays accepted; nothing more is argued about where it asks for no more."""
    rated, reason = rated_for(note), f"we know no usage report {note.usage_hash[:18]}"
    if note.amount <= rated:
        _accept(note, note.amount, f"{reason}, and more was rated than it asks")
    else:
        _dispute(note, rated, reason)
    return True


@transaction.atomic
def _accept(note: DebitNote, accepted_glm: Decimal, reason: str) -> None:
    accept_note(note, accepted_glm=accepted_glm, actor=REVIEW, reason=reason)
    drop(note, actor=REVIEW)


@transaction.atomic
def _dispute(note: DebitNote, accepted_glm: Decimal, reason: str) -> None:
    note.move_to(
        DebitNoteState.DISPUTED,
        actor=REVIEW,
        reason=reason,
        deadline_at=timezone.now() + OWNER_WITHIN,
        amount_accepted=accepted_glm,
    )
    note_dispute(note)
    take_up(note)


def _objection(note: protocol.DebitNote, node_id: str) -> Fault | None:
    if not _is_amount(note.amount_glm) or not 1 <= note.sequence <= MOST_SEQUENCE:
        return Fault(
            MeteringFaultKind.RANGE, 0, f"debit note {note.sequence} over {note.amount_glm} GLM"[:200]
        )
    message = _message(note)
    if message is None or not typed_data.is_signed_by(message, note.signature, node_id):
        return Fault(MeteringFaultKind.SIGNATURE, note.sequence, f"debit note {note.sequence}: bad signature")
    return None


def _message(note: protocol.DebitNote) -> typed_data.SignableMessage | None:
    try:
        return typed_data.debit_note(note, chain_id=settings.HIVE_CHAIN_ID)
    except Exception:  # eth-abi has its own kinds of errors for a usage hash that is no 32 bytes
        return None


def _is_amount(amount: Decimal) -> bool:
    return amount.is_finite() and ZERO <= amount < LIMIT_GLM and round_glm(amount) == amount


def _row(agreement_id: uuid.UUID, note: protocol.DebitNote) -> DebitNote:
    return DebitNote(
        agreement_id=agreement_id,
        sequence=note.sequence,
        usage_hash=note.usage_hash,
        amount=note.amount_glm,
        final=note.final,
        signature=note.signature,
        reason="waits for the usage it covers to be rated",
        deadline_at=timezone.now() + REVIEW_WITHIN,
    )
