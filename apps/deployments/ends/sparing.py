"""What a deployment may have more of without taking it from what runs, its own and that of others."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Sum

from apps.billing.budgets.capping import counted_now
from apps.billing.budgets.key_limits import RUNS
from apps.billing.models import BudgetCap, Hold
from apps.deployments import funding
from apps.deployments.ends.causes import ShortOf, short_of
from apps.deployments.ends.moving import SHORT
from apps.money import ZERO


def spare_glm(cap: BudgetCap, *, runs_glm: Decimal) -> Decimal:
    """Beyond `runs_glm`, one more lease of what it runs, and what others of its budget need. May be < 0."""
    of_budget_glm = cap.budget.available_glm - _others_glm(cap) - runs_glm
    if cap.limit_glm is None:
        return of_budget_glm
    return min(of_budget_glm, cap.limit_glm - counted_now(cap) - runs_glm)


def _others_glm(cap: BudgetCap) -> Decimal:
    """What others are short of, and one more lease of all that they run."""
    short = BudgetCap.objects.filter(budget=cap.budget_id, state__in=SHORT).exclude(pk=cap.pk)
    short_glm = sum(
        (
            each.needed_glm
            for each in short.select_related("budget__team", "budget__available")
            if short_of(each) != ShortOf.CAP
        ),
        ZERO,
    )
    holds = Hold.objects.filter(RUNS, budget=cap.budget_id).exclude(cap=cap.pk)
    per_hour_glm = holds.aggregate(all=Sum("per_hour_glm"))["all"] or ZERO
    lease = timedelta(seconds=settings.HIVE_LEASE_S)
    return short_glm + funding.cost_glm(price_per_hour_glm=per_hour_glm, span=lease)
