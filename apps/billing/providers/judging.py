"""What a debit note may ask for: what was rated up to its report, and what disputes before it came to."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from apps.billing.metering.models import UsageRecord, UsageState
from apps.billing.providers.covering import mark_if_covered
from apps.billing.providers.disputes import Dispute, DisputeState
from apps.billing.providers.models import DebitNote, DebitNoteState
from apps.money import ZERO
from apps.teams.audit import Actor

PAY_WITHIN = timedelta(days=30)


class Settled(NamedTuple):
    """What the last dispute of an agreement came to, in GLM over the rating; it holds for later notes."""

    granted_glm: Decimal = ZERO
    given_up_glm: Decimal = ZERO


def report_of(note: DebitNote) -> UsageRecord | None:
    """The report up to which it asks, if we know it."""
    return UsageRecord.objects.filter(agreement=note.agreement_id, hash=note.usage_hash).first()


def is_rated(note: DebitNote) -> bool:
    report = report_of(note)
    return report is not None and report.state == UsageState.POSTED


def rated_for(note: DebitNote) -> Decimal:
    """What was rated up to its report; of a report that we don't know, all of the agreement."""
    posted = UsageRecord.objects.filter(agreement=note.agreement_id, state=UsageState.POSTED)
    if report := report_of(note):
        posted = posted.filter(sequence__lte=report.sequence)
    return posted.aggregate(all=Sum("cost_glm"))["all"] or ZERO


def settled_before(agreement_id: uuid.UUID) -> Settled:
    done = Dispute.objects.filter(agreement=agreement_id, state=DisputeState.SETTLED)
    last = done.order_by("-state_since").first()
    return Settled(last.granted_glm, last.open_glm) if last else Settled()


@transaction.atomic
def accept_note(note: DebitNote, *, accepted_glm: Decimal, actor: Actor, reason: str) -> None:
    """From now on it is payable. It may have been paid before: payments wait for no note."""
    note.move_to(
        DebitNoteState.ACCEPTED,
        actor=actor,
        reason=reason,
        deadline_at=timezone.now() + PAY_WITHIN,
        amount_accepted=accepted_glm,
    )
    mark_if_covered(note)
