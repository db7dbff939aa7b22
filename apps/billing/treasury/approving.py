"""Large payments: two operators approve each, other people than whoever asked for it, before it is signed.

Its money is in flight all the while, so it can't be spent twice, and a refusal gives it back. PostgreSQL
keeps the rules too, as triggers.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.billing.treasury.approvals import Approval, Verdict
from apps.billing.treasury.following import fail_payment
from apps.billing.treasury.large import announce, approve_within, person
from apps.billing.treasury.models import Payment, PaymentState
from apps.billing.treasury.paying import SETTLE_WITHIN
from apps.billing.wallets.withdrawal_models import Withdrawal
from apps.teams.audit import Actor, AuditLine
from apps.teams.states import StateError

CHASING = Actor.queen("approvals")


class NotTheirs(ValueError):
    """This person can't approve this payment; the text says why."""


@transaction.atomic
def approve_payment(payment: Payment, *, actor: Actor, reason: str) -> Payment:
    """One operator's word; with the last that is needed the payment is ready, and sent with the next block.

    Raises NotTheirs, and StateError for a payment that waits for nobody.
    """
    current = _say(payment, Verdict.APPROVED, actor=actor, reason=reason)
    names = [str(each.user) for each in current.approvals.select_related("user")]
    told = f"{len(names)} of {current.approvals_needed}: {reason}"
    AuditLine.write(current, before=current.state, after="approved", actor=actor, reason=told)
    if len(names) >= current.approvals_needed:
        _set_deadline(current, timezone.now() + SETTLE_WITHIN)
        current.move_to(
            PaymentState.READY,
            actor=actor,
            reason=f"approved by {' and '.join(names)}",
            deadline_at=current.deadline_at,
        )
    return current


@transaction.atomic
def refuse_payment(payment: Payment, *, actor: Actor, reason: str) -> Payment:
    """It does not go out, and its money is back where it was. Raises as `approve_payment` does."""
    current = _say(payment, Verdict.REFUSED, actor=actor, reason=reason)
    AuditLine.write(current, before=current.state, after="refused", actor=actor, reason=reason)
    fail_payment(current, reason=f"refused by {actor.name}: {reason}")
    return current


def chase_approvals() -> int:
    """Tell operators of what still waits at its deadline; at its second one it fails. Returns how many."""
    late = Payment.objects.filter(state=PaymentState.WAITING, deadline_at__lt=timezone.now())
    return sum(_chase(payment) for payment in late.order_by("created_at"))


# -- one payment ------------------------------------------------------------------------------------------


def _say(payment: Payment, verdict: Verdict, *, actor: Actor, reason: str) -> Payment:
    """Write the word down; the payment's row is locked, so that two words at once are counted as two."""
    current = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
    if current.state != PaymentState.WAITING:
        raise StateError(f"it is {current.get_state_display().lower()}: it waits for nobody's approval")
    user = person(actor)
    if user is None or not (user.is_active and user.is_staff):
        raise NotTheirs("operators alone approve payments")
    if user.pk == current.requested_by_id:
        raise NotTheirs("you asked for it yourself: other operators have to decide")
    if current.approvals.filter(user=user).exists():
        raise NotTheirs("you approved it already: another operator has to as well")
    Approval.objects.create(payment=current, user=user, verdict=verdict, reason=reason[:300])
    return current


@transaction.atomic
def _chase(payment: Payment) -> bool:
    current = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
    if current.state != PaymentState.WAITING or current.deadline_at != payment.deadline_at:
        return False
    if current.escalated_at is not None:
        fail_payment(current, reason="it was not approved in time")
        return True
    current.escalated_at = timezone.now()
    current.save(update_fields=["escalated_at"])
    _set_deadline(current, current.escalated_at + approve_within())
    told = f"still not approved; it fails at {current.deadline_at:%Y-%m-%d %H:%M} UTC"
    AuditLine.write(current, before=current.state, after="escalated", actor=CHASING, reason=told)
    announce([current], kind="payment.late", what="still wait for approval")
    return True


def _set_deadline(payment: Payment, deadline_at: datetime) -> None:
    """Its own, and that of the withdrawal which waits for it."""
    payment.deadline_at = deadline_at
    payment.save(update_fields=["deadline_at"])
    Withdrawal.objects.filter(payment=payment).update(deadline_at=deadline_at)
