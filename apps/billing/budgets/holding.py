"""Holds: GLM reserved before anything is placed, topped up at each renewal of the lease, freed at its end.

A hold is the lease's money: its deadline is the end of the lease, and what was held is the most that
can be billed.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Least
from django.utils import timezone

from apps.billing.budgets.cap import BudgetCap
from apps.billing.budgets.capping import locked_cap, must_have_room
from apps.billing.budgets.key_limits import locked_policy, must_be_within
from apps.billing.budgets.models import Budget, Hold, HoldState
from apps.billing.invoicing.suspending import must_not_be_suspended
from apps.billing.ledger.accounts import TransferKind
from apps.billing.ledger.posting import exact, transfer
from apps.billing.metering.conduct import note_kept
from apps.billing.metering.models import UsageRecord, UsageState
from apps.market.models import IN_FORCE, KeyPolicy
from apps.money import ZERO
from apps.teams.audit import Actor
from apps.teams.models import ApiToken
from apps.teams.states import StateError

log = logging.getLogger("hive.billing")

AT_ONCE = 500
"""So many holds are freed in one go."""
CLOSING = Actor.queen("closing")


@transaction.atomic
def place_hold(
    *,
    budget: Budget,
    reference: str,
    amount_glm: Decimal,
    until: datetime,
    key: ApiToken | None = None,
    per_hour_glm: Decimal = ZERO,
    cap: BudgetCap | None = None,
) -> Hold:
    """Reserve `amount_glm` from the budget; the same `reference` reserves once.

    `key` is the application key that asks, `per_hour_glm` what it will be for, `cap` that of the group it is
    for: their limits hold as the budget does. Raises InsufficientFunds(available, needed), in GLM, when the
    budget has less, CapReached when the cap leaves less, KeyExhausted when the key may not spend so much,
    TeamSuspended when the team has not paid an invoice.
    """
    policy = locked_policy(key.pk if key else None)
    room = locked_cap(cap.pk if cap else None)
    hold, is_new = Hold.objects.get_or_create(
        reference=reference,
        defaults={
            "budget": budget,
            "amount": exact(amount_glm),
            "deadline_at": until,
            "key": key,
            "per_hour_glm": per_hour_glm,
        },
    )
    if is_new:
        must_not_be_suspended(budget.team_id, needed_glm=amount_glm)
        must_have_room(room, added_glm=amount_glm)
        _count_under(hold, cap)
        must_be_within(policy, added_glm=amount_glm, added_per_hour_glm=per_hour_glm)
        _reserve(hold, amount_glm, key=f"hold:{hold.id}")
    return hold


@transaction.atomic
def extend_hold(
    hold: Hold, *, amount_glm: Decimal, until: datetime, per_hour_glm: Decimal | None = None
) -> Hold:
    """Move the hold's end to `until` and add `amount_glm` (0 adds nothing) to it.

    `per_hour_glm` is what it is for by now, where that is not what it was. Idempotent by `until`: a hold that
    lasts as long already is left alone. Raises InsufficientFunds, CapReached, KeyExhausted, TeamSuspended,
    and StateError for a hold that is no longer held.
    """
    policy = locked_policy(hold.key_id)
    current = Hold.objects.select_for_update(of=("self",)).select_related("budget").get(pk=hold.pk)
    if current.state != HoldState.HELD:
        raise StateError(f"{current} is {current.state}: place another one")
    if current.deadline_at is not None and current.deadline_at < until:
        must_not_be_suspended(current.budget.team_id, needed_glm=amount_glm)
        must_have_room(locked_cap(current.cap_id), added_glm=amount_glm)
        _add(current, amount_glm, per_hour_glm, until=until, policy=policy)
    hold.refresh_from_db(fields=["amount", "posted", "deadline_at", "per_hour_glm"])
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
    return sum(_free_or_log(hold, now=now) for hold in _ended(now)[:AT_ONCE])


def _ended(now: datetime) -> QuerySet[Hold]:
    """What `usage_is_expected` would say no of, asked in SQL; what ended first comes first.

    So those that still wait for usage, however many, are in nobody's way.
    """
    usage = UsageRecord.objects.filter(agreement=OuterRef("agreement"))
    settled = Q(agreement__approved_at=None) | Exists(usage.filter(final=True))
    over = ~Q(agreement__state__in=IN_FORCE) & settled
    is_late = Q(ends_at__lte=now - timedelta(seconds=settings.HIVE_USAGE_GRACE_S))
    rated = Q(agreement__isnull=False) & (over | is_late) & ~Exists(usage.filter(state=UsageState.RECEIVED))
    held = Hold.objects.filter(state=HoldState.HELD)
    held = held.annotate(ends_at=Least("agreement__ended_at", "deadline_at"))  # the one that is there
    return held.filter(rated | Q(agreement=None, deadline_at__lt=now)).order_by("ends_at", "pk")


def _free_or_log(hold: Hold, *, now: datetime) -> bool:
    try:
        return _free_ended(hold, now=now)
    except Exception:  # one that fails holds up no other
        log.exception("%s has ended, and can't be freed; it is tried again", hold)
        return False


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


def _add(
    hold: Hold,
    amount_glm: Decimal,
    per_hour_glm: Decimal | None,
    *,
    until: datetime,
    policy: KeyPolicy | None,
) -> None:
    """The key's limits are held against the hold as it is then, so it is written first."""
    dearer_glm = ZERO if per_hour_glm is None else per_hour_glm - hold.per_hour_glm
    hold.amount += exact(amount_glm) if amount_glm else ZERO
    hold.per_hour_glm += dearer_glm
    hold.deadline_at = until
    hold.save(update_fields=["amount", "deadline_at", "per_hour_glm"])
    must_be_within(policy, added_glm=amount_glm, added_per_hour_glm=max(dearer_glm, ZERO))
    if amount_glm:
        _reserve(hold, amount_glm, key=f"hold:{hold.id}:until:{until.timestamp():.6f}")


def _count_under(hold: Hold, cap: BudgetCap | None) -> None:
    """The database adds it up there, and has the last word."""
    if cap is not None:
        hold.cap = cap
        hold.save(update_fields=["cap"])


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
    """The state first: it counts under the cap, whose row comes before the budget's, as everywhere."""
    if not hold.left_glm and state == HoldState.RELEASED:
        state, reason = HoldState.POSTED, f"used up; {reason}"
    hold.move_to(state, actor=actor, reason=reason)
    if hold.left_glm:
        transfer(
            key=f"hold:{hold.id}:release",
            kind=TransferKind.RELEASE,
            debit=hold.budget.held,
            credit=hold.budget.available,
            amount_glm=hold.left_glm,
            reference=f"hold:{hold.id}",
        )
    if hold.agreement is not None:
        note_kept(hold.agreement)
