"""How long the money of a deployment lasts: its budget's, or its cap's where that ends sooner."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from uuid import UUID

from django.db.models import F, Sum

from apps.billing.budgets.capping import counted_now
from apps.billing.budgets.runway import Runway, runways_of, sooner
from apps.billing.models import BudgetCap, Hold, HoldState
from apps.deployments.models import Deployment
from apps.money import ZERO


def runways_for(costs: Mapping[Deployment, Decimal]) -> dict[UUID, Runway]:
    """By deployment, of what each costs per hour now; each with its cap. In two queries."""
    budgets = runways_of({deployment.budget_id for deployment in costs})
    held = _held_under([deployment.cap_id for deployment in costs])
    return {
        each.pk: lasts(
            each.cap,
            held_glm=held.get(each.cap_id, ZERO),
            per_hour_glm=per_hour_glm,
            of_budget=budgets[each.budget_id],
        )
        for each, per_hour_glm in costs.items()
    }


def lasts(cap: BudgetCap, *, held_glm: Decimal, per_hour_glm: Decimal, of_budget: Runway) -> Runway:
    """Where nothing of it runs nothing of it is spent, whatever else the budget pays."""
    if not per_hour_glm:
        return Runway(money_glm=of_budget.money_glm, per_hour_glm=ZERO, at=of_budget.at)
    if cap.limit_glm is None:
        return of_budget
    left_glm = cap.limit_glm - counted_now(cap) + held_glm
    return sooner(of_budget, Runway(money_glm=left_glm, per_hour_glm=per_hour_glm, at=of_budget.at))


def _held_under(caps: Collection[UUID]) -> dict[UUID, Decimal]:
    rows = Hold.objects.filter(cap__in=caps, state=HoldState.HELD).order_by().values("cap")
    return dict(rows.annotate(all=Sum(F("amount") - F("posted"))).values_list("cap", "all"))
