"""How a budget stands: what was used since its latest top-up, and how long the rest lasts.

What a budget spent is what came in less what is left: usage and holds, the many, are not added up. A deposit
that a reorganisation undoes was never there, and a withdrawal takes from the whole.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Max, Q, QuerySet, Sum

from apps.billing.alerts.models import TopUp
from apps.billing.budgets.models import Budget
from apps.billing.budgets.runway import Runway, runway_in, with_rates
from apps.billing.ledger.accounts import OUTSIDE, Transfer, TransferKind
from apps.money import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Plain values, in GLM."""

    used_glm: Decimal
    """Since the latest top-up."""
    runway: Runway

    @property
    def whole_glm(self) -> Decimal:
        """What there was then, as far as it is still the team's."""
        return max(self.runway.money_glm, ZERO) + self.used_glm

    @property
    def percent_used(self) -> Decimal:
        """From 0 to 100; 0 where there never was anything."""
        return 100 * self.used_glm / self.whole_glm if self.whole_glm else ZERO


@dataclass(frozen=True, slots=True)
class Reading:
    """Of the books: how a budget stands, and what there is to remember of it."""

    standing: Standing
    deposit: int
    """Number of the latest one."""
    spent_glm: Decimal
    """Ever."""
    is_topped_up: bool
    """Since what is remembered; or nothing is yet."""


def standing_of(budget_id: int) -> Standing:
    return readings_of(Budget.objects.filter(pk=budget_id))[budget_id].standing


def readings_of(budgets: QuerySet[Budget]) -> dict[int, Reading]:
    """By budget, in a fixed number of queries."""
    found = list(with_rates(budgets.select_related("available", "held", "top_up", "team")))
    accounts = {account for each in found for account in (each.available_id, each.held_id)}
    came_in, went_out, deposits = _in(accounts), _out(accounts), _deposits(accounts)
    return {each.pk: _read(each, came_in, went_out, deposits) for each in found}


def remember_top_ups(readings: dict[int, Reading]) -> None:
    """Percents count from the newest deposit on. Of two workers the one that saw more is right."""
    for pk, reading in readings.items():
        if reading.is_topped_up:
            seen = {"deposit": reading.deposit, "spent_glm": reading.spent_glm}
            TopUp.objects.get_or_create(budget_id=pk, defaults=seen)
            TopUp.objects.filter(budget=pk, deposit__lt=reading.deposit).update(**seen)


def _read(budget: Any, came_in: Any, went_out: Any, deposits: Any) -> Reading:
    own = (budget.available_id, budget.held_id)
    brought = sum((came_in.get(each, ZERO) - went_out.get(each, ZERO) for each in own), ZERO)
    runway = runway_in(budget)
    spent = brought - (budget.available.guarded_balance + budget.held.guarded_balance)
    newest = deposits.get(budget.available_id, 0)
    remembered = getattr(budget, "top_up", None)
    is_topped_up = remembered is None or newest > remembered.deposit
    used = ZERO if remembered is None or is_topped_up else max(spent - remembered.spent_glm, ZERO)
    return Reading(Standing(used_glm=used, runway=runway), newest, spent, is_topped_up)


def _in(accounts: Collection[UUID]) -> dict[UUID, Decimal]:
    rows = Transfer.objects.filter(OUTSIDE, credit__in=accounts).order_by().values("credit")
    return dict(rows.annotate(all=Sum("amount")).values_list("credit", "all"))


def _out(accounts: Collection[UUID]) -> dict[UUID, Decimal]:
    rows = Transfer.objects.filter(OUTSIDE, debit__in=accounts).order_by().values("debit")
    return dict(rows.annotate(all=Sum("amount")).values_list("debit", "all"))


def _deposits(accounts: Collection[UUID]) -> dict[UUID, int]:
    came = Q(kind=TransferKind.DEPOSIT, credit__in=accounts)
    rows = Transfer.objects.filter(OUTSIDE, came).order_by().values("credit")
    return dict(rows.annotate(newest=Max("id")).values_list("credit", "newest"))
