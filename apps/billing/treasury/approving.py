"""Large payments: two operators approve each before it is signed, people who neither asked for it nor get it.

Its money is in flight all the while, so it can't be spent twice, and a refusal gives it back. PostgreSQL
keeps the rules too, as triggers.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.billing.ledger.posting import LedgerError
from apps.billing.treasury.approvals import Approval, Verdict
from apps.billing.treasury.following import fail_payment
from apps.billing.treasury.large import announce, approve_within, approvers, person
from apps.billing.treasury.models import Payment, PaymentState
from apps.billing.treasury.paying import SETTLE_WITHIN
from apps.billing.treasury.vetting import payout_key
from apps.billing.wallets.withdrawal_models import Withdrawal
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import Member, User
from apps.teams.states import StateError

log = logging.getLogger("hive.settlement")

CHASING = Actor.queen("approvals")


class NotTheirs(ValueError):
    """This person can't approve this payment; the text says why."""


@transaction.atomic
def approve_payment(payment: Payment, *, actor: Actor, reason: str) -> Payment:
    """One operator's word; with the last that is needed the payment is ready, and sent with the next block.

    Raises NotTheirs, and StateError for a payment that waits for nobody.
    """
    current = _say(payment, Verdict.APPROVED, actor=actor, reason=reason)
    names = approvers(current)
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
    told_before = late.filter(escalated_at__isnull=False).order_by("created_at")
    return sum(_give_up_one(payment) for payment in told_before) + _escalate()


def _give_up_one(payment: Payment) -> bool:
    """One of many: trouble with it must not keep the others waiting for ever."""
    try:
        return _give_up(payment)
    except (StateError, LedgerError) as trouble:
        log.error("%s can't be given up: %s", payment, trouble)
        return False


# -- one payment ------------------------------------------------------------------------------------------


def _say(payment: Payment, verdict: Verdict, *, actor: Actor, reason: str) -> Payment:
    """Write the word down; the payment's row is locked, so that two words at once are counted as two."""
    current = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
    if current.state != PaymentState.WAITING:
        raise StateError(f"it is {current.get_state_display().lower()}: it waits for nobody's approval")
    user = _operator(actor)
    if why := _why_not(current, user):
        raise NotTheirs(why)
    Approval.objects.create(payment=current, user=user, verdict=verdict, reason=reason[:300])
    return current


def _operator(actor: Actor) -> User:
    """Raises NotTheirs for who may not decide on any payment."""
    user = person(actor)
    if user is None or not (user.is_active and user.is_staff):
        raise NotTheirs("operators alone approve payments")
    if not user.has_perm("billing.approve_payment"):
        raise NotTheirs("you need the permission to approve large payments: another operator can give it")
    return user


def _why_not(payment: Payment, user: User) -> str:
    """Why this operator may not decide on this one; empty when they may."""
    if user.pk == payment.requested_by_id or _withdrawal(payment).filter(requested_by=user).exists():
        return "you asked for it yourself: other operators have to decide"
    if payment.node is not None and payment.node.owner_id == user.pk:
        return "it goes to your own node: other operators have to decide"
    if Member.objects.filter(user=user, team__accounts__debits__key=payout_key(payment)).exists():
        return "it goes to a team of yours: other operators have to decide"
    if payment.approvals.filter(user=user).exists():
        return "you approved it already: another operator has to as well"
    return ""


@transaction.atomic
def _give_up(payment: Payment) -> bool:
    current = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
    if current.state != PaymentState.WAITING or current.deadline_at != payment.deadline_at:
        return False
    fail_payment(current, reason="it was not approved in time")
    return True


@transaction.atomic
def _escalate() -> int:
    """All that are late for the first time, in one notice."""
    now = timezone.now()
    late = Payment.objects.filter(state=PaymentState.WAITING, deadline_at__lt=now, escalated_at=None)
    found = list(late.select_for_update(of=("self",)).order_by("created_at"))
    for each in found:
        each.escalated_at = now
        each.save(update_fields=["escalated_at"])
        _set_deadline(each, now + approve_within())
        told = f"still not approved; it fails at {each.deadline_at:%Y-%m-%d %H:%M} UTC"
        AuditLine.write(each, before=each.state, after="escalated", actor=CHASING, reason=told)
    announce(found, kind="payment.late", what="still wait for approval")
    return len(found)


def _set_deadline(payment: Payment, deadline_at: datetime) -> None:
    """Its own, and that of the withdrawal which waits for it."""
    payment.deadline_at = deadline_at
    payment.save(update_fields=["deadline_at"])
    _withdrawal(payment).update(deadline_at=deadline_at)


def _withdrawal(payment: Payment) -> QuerySet[Withdrawal]:
    """The one that it pays; none where it pays something else."""
    return Withdrawal.objects.filter(payment=payment)
