"""What applying a plan would do to its team's budget, reckoned from the books as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.billing.budgets.capping import counted_if, held_under
from apps.billing.models import AtEnd, Budget, BudgetCap, CapPeriod
from apps.deployments.funding import cost_glm, lease_of
from apps.deployments.manifest import BudgetAsked, Manifest
from apps.deployments.models import AssignmentState, Deployment, Plan
from apps.deployments.plans.effect import Effect
from apps.market.models import Agreement
from apps.money import ZERO


def effect_of(plan: Plan) -> Effect:
    """Reckoned now, with the prices that the plan says."""
    budget = Budget.objects.filter(team=plan.team_id, name="main").first()
    starting = [one for one in plan.placements if one["node_id"] and not one.get("stays")]
    planned_glm = _sum(one["price_per_hour_glm"] for one in plan.placements)
    cap = BudgetCap.objects.filter(pk__in=_own(plan).values("cap")).select_related("budget").first()
    asked = Manifest.model_validate(plan.manifest).budget or BudgetAsked()
    return Effect(
        available_glm=budget.available_glm if budget else ZERO,
        held_glm=budget.held_glm if budget else ZERO,
        first_leases_glm=_first_leases(plan, starting),
        start_glm=_sum(one.get("start_glm") for one in starting),
        rate_before_glm=_rate(plan, everything=True),
        rate_after_glm=_rate(plan, everything=False) + planned_glm,
        rate_own_glm=planned_glm,
        at_end=asked.at_end or (cap.choice if cap else budget.at_end if budget else AtEnd.ASK),
        at=timezone.now(),
        **_capped(cap, asked),
    )


def _capped(cap: BudgetCap | None, asked: BudgetAsked) -> dict[str, Any]:
    """The cap as it is once the plan is applied: what the file says, else what was set before."""
    limit_glm = asked.glm or (cap.limit_glm if cap else None)
    if limit_glm is None:
        return {}
    per = asked.per or (cap.per if cap else CapPeriod.IN_ALL.value)
    counted_glm = counted_if(cap, per=per) if cap else ZERO
    return {
        "cap_glm": limit_glm,
        "cap_per": per,
        "cap_left_glm": max(limit_glm - counted_glm, ZERO),
        "cap_held_glm": held_under(cap) if cap else ZERO,
    }


def _own(plan: Plan) -> QuerySet[Deployment]:
    """The deployment that it would change, if there is one."""
    return Deployment.objects.filter(team=plan.team_id, name=plan.name)


def _first_leases(plan: Plan, starting: Iterable[Mapping[str, Any]]) -> Decimal:
    specs = Manifest.model_validate(plan.manifest).services
    return sum(
        (
            cost_glm(
                price_per_hour_glm=Decimal(one["price_per_hour_glm"]),
                span=lease_of(specs[one["service"]]),
                start_glm=Decimal(one.get("start_glm") or 0),
            )
            for one in starting
        ),
        ZERO,
    )


def _rate(plan: Plan, *, everything: bool) -> Decimal:
    """What the budget's running replicas cost per hour: all of them, or those the plan does not speak of."""
    own = Q(assignment__replica__service__deployment__name=plan.name)
    running = Agreement.objects.filter(
        assignment__state=AssignmentState.ACTIVE,
        assignment__replica__service__deployment__budget__team=plan.team_id,
    )
    counted = running if everything else running.exclude(own)
    return sum((agreement.price_per_hour_glm for agreement in counted), ZERO)


def _sum(texts: Iterable[str | None]) -> Decimal:
    return sum((Decimal(text) for text in texts if text), ZERO)
