"""Counting under a cap, and changing one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import CharField, F, Sum, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from apps.billing.budgets.at_end import AtEnd
from apps.billing.budgets.cap import BudgetCap, CapPeriod
from apps.billing.budgets.models import Budget, HoldState
from apps.billing.ledger.accounts import Transfer, TransferKind
from apps.billing.ledger.posting import InsufficientFunds, exact
from apps.money import ZERO, plain
from apps.teams.audit import Actor, AuditLine


class CapReached(InsufficientFunds):
    """The budget may have it, the cap leaves no room; its text is for the person who waits."""

    def __init__(self, cap: BudgetCap, *, needed: Decimal) -> None:
        left, limit = cap.left_glm or ZERO, cap.limit_glm or ZERO
        super().__init__(available=left, needed=needed)
        self.args = (
            f"{cap} may take {plain(limit)} GLM {cap.get_per_display()} of its budget"
            f" and has {plain(left)} GLM left: {plain(needed)} GLM are needed",
        )


def cap_of(budget: Budget, reference: str, *, name: str) -> BudgetCap:
    """The group's cap, made without a limit where there is none."""
    rows = BudgetCap.objects.select_related("budget__team")
    return rows.get_or_create(reference=reference, defaults={"budget": budget, "name": name})[0]


def locked_cap(cap_id: UUID | None) -> BudgetCap | None:
    """The cap in its present period; nobody else counts under it until this transaction ends."""
    if cap_id is None:
        return None
    rows = BudgetCap.objects.select_for_update(of=("self",)).select_related("budget")
    cap = rows.get(pk=cap_id)
    start = period_start(cap.per, cap.period_start, now=timezone.now())
    if start != cap.period_start:  # the database knows what was spent until then, and counts from there
        cap.period_start = start
        cap.save(update_fields=["period_start"])
        cap.refresh_from_db(fields=["base_glm", "used_glm"])
    return cap


def period_start(per: str, begun_at: datetime, *, now: datetime) -> datetime:
    """Of the period in which `now` lies. Pure. A clock that stepped back begins no earlier one again."""
    if per != CapPeriod.MONTH:
        return begun_at
    return max(begun_at, now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))


def must_have_room(cap: BudgetCap | None, *, added_glm: Decimal) -> None:
    """Raises CapReached when that much more passes the limit of the (locked) cap."""
    if cap is not None and cap.left_glm is not None and added_glm > cap.left_glm:
        raise CapReached(cap, needed=added_glm)


def room_glm(cap: BudgetCap) -> Decimal:
    """What may still be held for it now: the least of its own rest and its budget's."""
    available = cap.budget.available_glm
    return available if cap.limit_glm is None else min(cap.limit_glm - counted_now(cap), available)


def counted_now(cap: BudgetCap) -> Decimal:
    """What counts in the present period, though nobody may have begun it yet."""
    begun = period_start(cap.per, cap.period_start, now=timezone.now())
    return cap.counted_glm if begun == cap.period_start else _counted_since(cap, begun)


def counted_if(cap: BudgetCap, *, per: str) -> Decimal:
    """What would count in the present period if its limit were for such a one."""
    if per == cap.per:
        return counted_now(cap)
    if per != CapPeriod.MONTH:
        return cap.used_glm
    return _counted_since(cap, period_start(per, _LONG_AGO, now=timezone.now()))


def _counted_since(cap: BudgetCap, start: datetime) -> Decimal:
    """As the database adds it up: held now, and posted since then."""
    reference = Concat(Value("hold:"), Cast("pk", CharField()), output_field=CharField())
    posted = Transfer.objects.filter(kind=TransferKind.USAGE, debit=cap.budget.held_id, at__gte=start)
    posted = posted.filter(reference__in=cap.holds.order_by().annotate(name=reference).values("name"))
    return held_under(cap) + (posted.aggregate(all=Sum("amount"))["all"] or ZERO)


def held_under(cap: BudgetCap) -> Decimal:
    """Held and not spent yet."""
    held = cap.holds.filter(state=HoldState.HELD)
    return held.aggregate(all=Sum(F("amount") - F("posted")))["all"] or ZERO


@transaction.atomic
def change_cap(
    cap: BudgetCap, *, limit_glm: Decimal | None, per: str, at_end: str, actor: Actor
) -> BudgetCap:
    """Set all three; None is no limit, and an empty `at_end` what the budget says.

    Raises ValueError for an amount that is none, a word that is not known, and a limit below what is counted
    already: what is spent is spent, and what is held has been promised.
    """
    current = locked_cap(cap.pk)
    assert current is not None
    before = words_of(current)
    _check(limit_glm, per=per, at_end=at_end)
    must_leave_counted(current, limit_glm=limit_glm, per=per)
    if current.per != per:
        current.period_start = period_start(per, _LONG_AGO, now=timezone.now())
    current.per, current.limit_glm, current.at_end = per, limit_glm, at_end
    current.save(update_fields=["per", "period_start", "limit_glm", "at_end"])
    if (after := words_of(current)) != before:
        AuditLine.write(current, before="", after="changed", actor=actor, reason=f"{after}; it was {before}")
    cap.refresh_from_db()
    return cap


def must_leave_counted(cap: BudgetCap, *, limit_glm: Decimal | None, per: str) -> None:
    """Raises ValueError for a limit below what counts already."""
    counted_glm = counted_if(cap, per=per)
    if limit_glm is not None and limit_glm < counted_glm:
        raise ValueError(
            f"{plain(limit_glm)} GLM: {cap} has {plain(counted_glm)} GLM spent or held already;"
            " name at least that, or stop it first"
        )


def words_of(cap: BudgetCap) -> str:
    """ "50 GLM a month, then stop"."""
    limit = (
        "no cap of its own"
        if cap.limit_glm is None
        else f"{plain(cap.limit_glm)} GLM {cap.get_per_display()}"
    )
    return f"{limit}, at the end {cap.get_at_end_display().lower() if cap.at_end else 'as the budget says'}"


def _check(limit_glm: Decimal | None, *, per: str, at_end: str) -> None:
    if limit_glm is not None:
        exact(limit_glm)
    if per not in CapPeriod.values:
        raise ValueError(f'per: expected one of {", ".join(CapPeriod.values)}, got "{per}"')
    if at_end and at_end not in AtEnd.values:
        raise ValueError(f'at_end: expected one of {", ".join(AtEnd.values)}, got "{at_end}"')


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
