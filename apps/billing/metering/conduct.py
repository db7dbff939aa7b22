"""What the books know of a node's conduct: work that was paid for, claims too high, false reports."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Sum

from apps.billing.metering.models import MeteringFaultKind, UsageRecord
from apps.billing.providers.models import DebitNote
from apps.market.models import Agreement, FactKind
from apps.market.reputation.noting import end_of, note
from apps.money import ZERO

WHOLE = timedelta(hours=1)
"""An agreement on which so much was run weighs as one; a shorter one in proportion."""
FALSE = frozenset({MeteringFaultKind.SIGNATURE, MeteringFaultKind.FORK})
"""Faults that no broken link and no lost packet explains."""


def note_kept(agreement: Agreement) -> None:
    """Its usage is rated and its hold goes back: it was kept, if it was not lost and anything was billed."""
    if agreement.ended_at is None:  # only its money has run out so far
        return
    billed = UsageRecord.objects.filter(agreement=agreement).aggregate(ms=Sum("billed_running_ms"))
    worked = timedelta(milliseconds=billed["ms"] or 0)
    if worked:
        note(
            agreement.node_id,
            FactKind.KEPT,
            reference=end_of(agreement),
            at=agreement.ended_at,
            weight=min(worked / WHOLE, 1.0),
            agreement=agreement,
        )


def note_dispute(debit_note: DebitNote) -> None:
    """Weighs as the share of the claim that was too much: an honest one is ahead of us by seconds at most."""
    if debit_note.amount and debit_note.amount_accepted is not None:
        too_much = max(1 - debit_note.amount_accepted / debit_note.amount, ZERO)
        note(
            debit_note.agreement.node_id,
            FactKind.DISPUTED,
            reference=f"disputed:{debit_note.agreement_id}",
            weight=float(too_much),
            agreement=debit_note.agreement,
            detail=debit_note.reason,
        )


def note_false_reports(faults: Iterable[tuple[uuid.UUID, str, str]]) -> None:
    """Agreement, MeteringFaultKind and detail of each fault. One false report of each agreement counts."""
    false = {pk: (kind, detail) for pk, kind, detail in faults if kind in FALSE}
    for agreement in Agreement.objects.filter(pk__in=false) if false else ():
        kind, detail = false[agreement.pk]
        note(
            agreement.node_id,
            FactKind.MISREPORTED,
            reference=f"misreported:{agreement.pk}",
            agreement=agreement,
            detail=f"{MeteringFaultKind(kind).label.lower()}, {detail}",
        )
