"""How long a budget lasts at the rate at which it is spent now.

What is held counts, for it pays the next minutes of what runs, and so does a credit limit. The rate is what
holds in force are for: agreed prices with every thread busy, so that the true end comes later, never sooner.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.billing.budgets.key_limits import RUNS
from apps.billing.budgets.models import Budget, Hold
from apps.money import ZERO, GlmField

YEAR_S = 365 * 86_400
NEAR = timedelta(days=6)
"""So long the name of a weekday says which day is meant."""
AT_THIS_RATE = "at today's rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runway:
    """Plain values: GLM, GLM per hour, and the instant they are of."""

    money_glm: Decimal
    per_hour_glm: Decimal
    at: datetime

    @property
    def lasts_s(self) -> Decimal | None:
        """None while nothing is spent."""
        if not self.per_hour_glm:
            return None
        return max(self.money_glm, ZERO) / self.per_hour_glm * 3600

    @property
    def is_long(self) -> bool:
        """More than a year: nobody is told a date."""
        return self.lasts_s is not None and self.lasts_s > YEAR_S

    @property
    def until(self) -> datetime | None:
        """None while nothing is spent, and when that is more than a year ahead."""
        if self.lasts_s is None or self.is_long:
            return None
        return self.at + timedelta(seconds=float(self.lasts_s))

    @property
    def is_used_up(self) -> bool:
        return bool(self.per_hour_glm) and self.money_glm <= 0

    @property
    def in_words(self) -> str:
        """`lasts until Tuesday 14:00 UTC at today's rate`."""
        if self.until is None or self.is_used_up:
            return self.without_instant
        return f"lasts until {instant_in_words(self.until, now=self.at)} UTC {AT_THIS_RATE}"

    @property
    def without_instant(self) -> str:
        """Where there is none to name."""
        if not self.per_hour_glm:
            return "nothing is spent now"
        return "used up" if self.is_used_up else f"lasts more than a year {AT_THIS_RATE}"


def sooner(one: Runway, other: Runway) -> Runway:
    """The one that ends first; `one` where neither does."""
    if other.lasts_s is None:
        return one
    return other if one.lasts_s is None or other.lasts_s < one.lasts_s else one


def instant_in_words(instant: datetime, *, now: datetime) -> str:
    """In UTC: a weekday when it is within six days, else a date."""
    utc = instant.astimezone(UTC)
    return f"{utc:%A %H:%M}" if instant - now < NEAR else f"{utc:%d %b %Y, %H:%M}"


def runway_of(budget_id: int) -> Runway:
    return runways_of([budget_id])[budget_id]


def runways_of(budget_ids: Collection[int]) -> dict[int, Runway]:
    """Of each of these budgets, in one query."""
    found = Budget.objects.select_related("available", "held").filter(pk__in=budget_ids)
    return {budget.pk: runway_in(budget) for budget in with_rates(found)}


def with_rates(budgets: QuerySet[Budget]) -> QuerySet[Budget]:
    """Each with its `rate_glm`, per hour, of what runs or is about to."""
    holds = Hold.objects.filter(RUNS, budget=OuterRef("pk")).order_by().values("budget")
    rate = Subquery(holds.annotate(all=Sum("per_hour_glm")).values("all"))
    return budgets.annotate(rate_glm=Coalesce(rate, ZERO, output_field=GlmField()))


def runway_in(budget: Any) -> Runway:
    """Of a budget that came `with_rates` and its accounts, as they were read; asks nothing more."""
    available_glm = budget.available.guarded_balance + budget.available.credit_limit_glm
    money_glm = available_glm + budget.held.guarded_balance
    return Runway(money_glm=money_glm, per_hour_glm=budget.rate_glm, at=timezone.now())
