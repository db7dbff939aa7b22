"""Unused GLM back to a team's own wallet: asked for by a member, confirmed by an owner, paid once.

No money moves before the confirmation. That is one transaction: limits, the entry available -> in flight and
the signed payment; held money stays held. The Hive bears the gas, which is why there is a least amount.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from apps.billing.budgets.models import Budget
from apps.billing.chain.client import ChainRefused, ChainUnreachable, chain
from apps.billing.invoicing.keeping import Kept, kept_for_taxes
from apps.billing.invoicing.models import Invoice, InvoiceState
from apps.billing.invoicing.suspending import must_not_be_suspended
from apps.billing.ledger.posting import InsufficientFunds, exact
from apps.billing.treasury.large import person, unasked
from apps.billing.treasury.models import Payment, PaymentPurpose
from apps.billing.treasury.paying import Readiness, make_ready, sign_and_store, wait_in_line
from apps.billing.treasury.sending import push_payment
from apps.billing.wallets.models import WalletProof
from apps.billing.wallets.siwe import address_of
from apps.billing.wallets.withdrawal_models import Withdrawal, WithdrawalState
from apps.locks import queue_for
from apps.money import ZERO, plain
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import Team
from apps.teams.states import StaleState, StateError

CONFIRM_WITHIN = timedelta(days=1)
LIMIT_SPAN = timedelta(days=1)
CLOSING = Actor.queen("withdrawals")


class WithdrawalRefused(ValueError):
    """It can't be; the text says why and what to do. Nothing has changed."""


@transaction.atomic
def request_withdrawal(*, budget: Budget, address: str, amount_glm: Decimal, actor: Actor) -> Withdrawal:
    """Ask for it; an owner has a day to confirm it.

    Raises WithdrawalRefused, InsufficientFunds, and ValueError for what is no address or no amount.
    """
    address, amount_glm = address_of(address), exact(amount_glm)
    proof = WalletProof.objects.filter(team=budget.team, address=address).exclude(signature="").first()
    if proof is None:
        raise WithdrawalRefused(f"{address} is no wallet that your team has proven: prove it first")
    if amount_glm < settings.HIVE_WITHDRAWAL_MIN_GLM:
        least = plain(settings.HIVE_WITHDRAWAL_MIN_GLM)
        raise WithdrawalRefused(f"at least {least} GLM can be withdrawn: the Hive bears the gas")
    _must_fit_the_day(budget.team, amount_glm)
    _must_be_paid_in(budget, amount_glm)
    _must_leave_taxes(budget, amount_glm)
    asked = Withdrawal.objects.create(
        budget=budget,
        proof=proof,
        amount=amount_glm,
        requested_by=person(actor),
        reason="waits for an owner's confirmation",
        deadline_at=timezone.now() + CONFIRM_WITHIN,
    )
    AuditLine.write(asked, before="", after=asked.state, actor=actor, reason=f"to {address}")
    return asked


def confirm_withdrawal(withdrawal: Withdrawal, *, actor: Actor) -> Withdrawal:
    """Pay it: an owner's word. Raises StateError, WithdrawalRefused, InsufficientFunds; it waits on then."""
    if withdrawal.state != WithdrawalState.REQUESTED:
        raise StateError(f"it is {withdrawal.get_state_display().lower()}: there is nothing to confirm")
    if not settings.HIVE_GLM_TOKEN:
        raise WithdrawalRefused("this Hive is connected to no GLM token (HIVE_GLM_TOKEN)")
    _must_be_paid_in(withdrawal.budget, withdrawal.amount)
    try:
        ready = make_ready(chain(), recipient=withdrawal.recipient, amount_glm=withdrawal.amount)
        _pay(withdrawal, ready, actor=actor)
    except (ChainRefused, ChainUnreachable) as trouble:
        raise WithdrawalRefused(f"it can't be paid now, confirm it again later: {trouble}") from None
    if withdrawal.payment is not None:
        push_payment(ready.chain, withdrawal.payment)
    withdrawal.refresh_from_db()
    return withdrawal


@transaction.atomic
def _pay(withdrawal: Withdrawal, ready: Readiness, *, actor: Actor) -> None:
    wait_in_line()
    queue_for(f"billing.withdrawals:{withdrawal.budget.team_id}")
    if not Withdrawal.objects.filter(pk=withdrawal.pk, state=WithdrawalState.REQUESTED).exists():
        raise StaleState("somebody else moved it first")
    _must_be_settled(withdrawal.budget.team, withdrawal.amount)
    _must_leave_taxes(withdrawal.budget, withdrawal.amount)
    _must_fit_the_day(withdrawal.budget.team, withdrawal.amount)
    now = timezone.now()
    if withdrawal.deadline_at is not None and withdrawal.deadline_at < now:
        raise WithdrawalRefused("the time to confirm it is over: ask for it again")
    payment = sign_and_store(
        ready,
        source=withdrawal.budget.available,
        recipient=withdrawal.recipient,
        amount_glm=withdrawal.amount,
        unasked_glm=unasked(Payment.objects.filter(withdrawal__budget__team=withdrawal.budget.team_id)),
        purpose=PaymentPurpose.WITHDRAWAL,
        actor=actor,
    )
    withdrawal.move_to(
        WithdrawalState.CONFIRMED,
        actor=actor,
        reason=f"confirmed; its payment: {payment.reason}",
        deadline_at=payment.deadline_at,
        payment=payment,
        confirmed_at=now,
    )


def cancel_withdrawal(withdrawal: Withdrawal, *, actor: Actor) -> Withdrawal:
    """Before it is confirmed. Raises StateError."""
    return withdrawal.move_to(WithdrawalState.CANCELLED, actor=actor, reason="taken back")


def close_unconfirmed() -> int:
    """Let those expire that no owner has confirmed in time. Returns how many."""
    late = Withdrawal.objects.filter(state=WithdrawalState.REQUESTED, deadline_at__lt=timezone.now())
    rows = list(late.select_related("budget", "proof"))
    reason = "no owner confirmed it in time"
    return len(Withdrawal.move_all(rows, WithdrawalState.EXPIRED, actor=CLOSING, reason=reason))


def _must_be_paid_in(budget: Budget, amount_glm: Decimal) -> None:
    """What a team has on credit is lent for use, not to be taken out."""
    if (own_glm := max(budget.balance_glm, ZERO)) < amount_glm:
        raise InsufficientFunds(available=own_glm, needed=amount_glm)


def _must_be_settled(team: Team, amount_glm: Decimal) -> None:
    must_not_be_suspended(team.pk, needed_glm=amount_glm)
    owing = Invoice.objects.filter(team=team, state=InvoiceState.OVERDUE).order_by("issued_at").first()
    if owing is not None:
        raise WithdrawalRefused(f"invoice {owing.number} is overdue: pay it first")


def _must_leave_taxes(budget: Budget, amount_glm: Decimal) -> None:
    kept = kept_for_taxes(budget.team)
    left_glm = can_be_withdrawn(budget, kept)
    if kept.total_glm and amount_glm > left_glm:
        raise WithdrawalRefused(f"{kept}: {plain(left_glm)} GLM can be withdrawn")


def can_be_withdrawn(budget: Budget, kept: Kept) -> Decimal:
    """Whatever the day's limit: what is paid in and neither held, nor used, nor kept back. In GLM."""
    return max(budget.balance_glm - kept.total_glm, ZERO)


def _must_fit_the_day(team: Team, amount_glm: Decimal) -> None:
    """Within 24 hours a team takes out so much; what failed came back and does not count."""
    limit = settings.HIVE_WITHDRAWAL_LIMIT_PER_DAY_GLM
    lately = Withdrawal.objects.filter(budget__team=team, confirmed_at__gt=timezone.now() - LIMIT_SPAN)
    out = lately.exclude(state=WithdrawalState.FAILED).aggregate(all=Sum("amount"))["all"] or ZERO
    if out + amount_glm > limit:
        told = f"{plain(limit)} GLM may be withdrawn within a day, {plain(out)} were"
        raise WithdrawalRefused(f"{told}: ask for less, or later, or ask the operator")
