"""Holds: GLM reserved before anything is placed, topped up at each renewal of the lease, freed at its end.

A hold is the lease's money: its deadline is the end of the lease, and what was held is the most that
can be billed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.billing.budgets import Budget, Hold, HoldState
from apps.billing.ledger import TransferKind
from apps.billing.posting import exact, transfer
from apps.billing.usage import UsageRecord, UsageState
from apps.market.models import AgreementState
from apps.teams.audit import Actor
from apps.teams.states import StateError

CLOSING = Actor.queen("closing")
IN_FORCE = frozenset({AgreementState.PROPOSED, AgreementState.APPROVED})


@transaction.atomic
def place_hold(*, budget: Budget, reference: str, amount_glm: Decimal, until: datetime) -> Hold:
    """Reserve `amount_glm` from the budget; the same `reference` reserves once.

    Raises InsufficientFunds(available, needed), in GLM, when the budget has less.
    """
    hold, is_new = Hold.objects.get_or_create(
        reference=reference, defaults={"budget": budget, "amount": exact(amount_glm), "deadline_at": until}
    )
    if is_new:
        _reserve(hold, amount_glm, key=f"hold:{hold.id}")
    return hold


@transaction.atomic
def extend_hold(hold: Hold, *, amount_glm: Decimal, until: datetime) -> Hold:
    """Move the hold's end to `until` and add `amount_glm` (0 adds nothing) to it.

    Idempotent by `until`: a hold that lasts as long already is left alone. Raises InsufficientFunds, and
    StateError for a hold that is no longer held.
    """
    current = Hold.objects.select_for_update().select_related("budget").get(pk=hold.pk)
    if current.state != HoldState.HELD:
        raise StateError(f"{current} is {current.state}: place another one")
    if current.deadline_at is not None and current.deadline_at < until:
        if amount_glm:
            current.amount += exact(amount_glm)
            _reserve(current, amount_glm, key=f"hold:{current.id}:until:{until.timestamp():.6f}")
        current.deadline_at = until
        current.save(update_fields=["amount", "deadline_at"])
    hold.refresh_from_db(fields=["amount", "posted", "deadline_at"])
    return hold


@transaction.atomic
def release_hold(hold: Hold, *, actor: Actor, reason: str) -> Hold:
    """Give back what was not used, as soon as no more usage is to be rated from it.

    While usage of its agreement is still expected the hold stays as it is, and `free_ended_holds` frees it
    later. A hold that is no longer held is left alone.
    """
    current = Hold.objects.select_for_update().get(pk=hold.pk)
    if current.state == HoldState.HELD and not usage_is_expected(current, now=timezone.now()):
        _free(current, HoldState.RELEASED, actor=actor, reason=reason)
    hold.refresh_from_db(fields=["state", "reason", "state_since", "deadline_at", "posted"])
    return hold


def free_ended_holds() -> int:
    """Free holds whose agreement is over and rated, or on which nothing was placed. Returns how many."""
    now = timezone.now()
    over = ~Q(agreement__state__in=IN_FORCE) & Q(agreement__isnull=False)
    ended = Hold.objects.filter(state=HoldState.HELD).filter(over | Q(deadline_at__lt=now))
    return sum(_free_ended(hold, now=now) for hold in ended.select_related("agreement")[:500])


@transaction.atomic
def _free_ended(hold: Hold, *, now: datetime) -> bool:
    current = (
        Hold.objects.select_for_update(skip_locked=True).filter(pk=hold.pk, state=HoldState.HELD).first()
    )
    if current is None or usage_is_expected(current, now=now):
        return False
    if current.agreement is not None:
        _free(
            current, HoldState.RELEASED, actor=CLOSING, reason="its agreement is over and all usage is rated"
        )
    elif current.deadline_at is not None and current.deadline_at < now:
        _free(current, HoldState.EXPIRED, actor=CLOSING, reason="nothing was placed on it in time")
    return current.state != HoldState.HELD


def usage_is_expected(hold: Hold, *, now: datetime) -> bool:
    """May usage still be posted from it? Until the final report is rated, or the grace after the end ends."""
    agreement = hold.agreement
    if agreement is None:
        return False
    usage = UsageRecord.objects.filter(agreement=agreement)
    if usage.filter(state=UsageState.RECEIVED).exists():
        return True
    ends = [at for at in (agreement.ended_at, hold.deadline_at) if at is not None]
    if agreement.state not in IN_FORCE and (
        agreement.approved_at is None or usage.filter(final=True).exists()
    ):
        return False
    return not ends or now < min(ends) + timedelta(seconds=settings.HIVE_USAGE_GRACE_S)


def _reserve(hold: Hold, amount_glm: Decimal, *, key: str) -> None:
    transfer(
        key=key,
        kind=TransferKind.HOLD,
        debit=hold.budget.available,
        credit=hold.budget.held,
        amount_glm=amount_glm,
        reference=f"hold:{hold.id}",
    )


def _free(hold: Hold, state: str, *, actor: Actor, reason: str) -> None:
    if hold.left_glm:
        transfer(
            key=f"hold:{hold.id}:release",
            kind=TransferKind.RELEASE,
            debit=hold.budget.held,
            credit=hold.budget.available,
            amount_glm=hold.left_glm,
            reference=f"hold:{hold.id}",
        )
    elif state == HoldState.RELEASED:
        state, reason = HoldState.POSTED, f"used up; {reason}"
    hold.move_to(state, actor=actor, reason=reason)
