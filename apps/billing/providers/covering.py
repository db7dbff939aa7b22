"""Which debit notes are paid: those up to whose report everything that was posted to the node has left.

Payments to a node pay off its oldest postings first. So a note is paid as soon as what is still owed to its
node (payable, or in a payment that is not final) is no more than what was posted after the report it covers.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.db.models import F, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from apps.billing.ledger.accounts import EARNED, Account, Transfer
from apps.billing.metering.models import UsageRecord, UsageState
from apps.billing.providers.disputes import Dispute, DisputeState
from apps.billing.providers.models import DebitNote, DebitNoteState
from apps.billing.treasury.models import Payment, PaymentState
from apps.money import ZERO, GlmField
from apps.teams.audit import Actor
from apps.teams.states import StaleState

COVERING = Actor.queen("settlement")
OVER = (PaymentState.FINAL, PaymentState.FAILED)


def mark_paid_notes(*, node_id: str | None = None) -> int:
    """Mark the accepted notes, of all nodes or of one, that payments cover. Returns how many."""
    accepted = DebitNote.objects.filter(state=DebitNoteState.ACCEPTED).select_related("agreement")
    if node_id is not None:
        accepted = accepted.filter(agreement__node=node_id)
    return sum(mark_if_covered(note) for note in accepted.order_by("received_at"))


def mark_if_covered(note: DebitNote) -> bool:
    """Mark this accepted note if all that was rated up to its report, be it nothing, has left for good."""
    last = _last_posting(note)
    if last is not None and not _owed_at_most_what_came_after(last):
        return False
    finished = Payment.objects.filter(node=note.agreement.node_id, state=PaymentState.FINAL)
    newest = finished.select_related("transaction").order_by("-state_since").first()
    reason = f"paid in full by {newest.tx_hash}" if newest else "nothing was rated up to its report"
    with suppress(StaleState):  # another worker was faster
        note.move_to(DebitNoteState.PAID, actor=COVERING, reason=reason, payment=newest)
        return True
    return False


def _last_posting(note: DebitNote) -> Transfer | None:
    """The newest by which its node earned what it asks for: for usage, or granted in a dispute."""
    rated = UsageRecord.objects.filter(
        agreement=note.agreement_id, state=UsageState.POSTED, cost_glm__gt=0
    ).order_by("-sequence")
    covered = UsageRecord.objects.filter(agreement=note.agreement_id, hash=note.usage_hash).first()
    if covered is not None:
        rated = rated.filter(sequence__lte=covered.sequence)
    newest = rated.first() if covered or note.amount_accepted else None
    settled = Dispute.objects.filter(agreement=note.agreement_id, state=DisputeState.SETTLED)
    keys = [dispute.concession_key for dispute in settled] + ([newest.posting_key] if newest else [])
    earned = Transfer.objects.filter(key__in=keys).select_related("credit")
    return earned.order_by("-id").first()


def _owed_at_most_what_came_after(last: Transfer) -> bool:
    """One question to the database, so that its three sums are of the same instant."""
    later = Transfer.objects.filter(credit=last.credit_id, kind__in=EARNED, id__gt=last.pk)
    moving = Payment.objects.filter(node=last.credit.node_id).exclude(state__in=OVER)
    owed = F("guarded_balance") + _total(moving.values("node"))
    account = Account.objects.filter(pk=last.credit_id).annotate(
        owed=owed, later=_total(later.values("credit"))
    )
    return account.filter(owed__lte=F("later")).exists()


def _total(rows: QuerySet[Any, Any]) -> Coalesce:
    """Their amounts' sum, as a part of a larger question; `rows` are grouped by what they have in common."""
    total = rows.order_by().annotate(total=Sum("amount")).values("total")
    return Coalesce(Subquery(total), Value(ZERO), output_field=GlmField())
