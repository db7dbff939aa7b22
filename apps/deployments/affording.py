"""What a plan needs from the budget to begin: the first lease of every replica that it would start."""

from __future__ import annotations

from decimal import Decimal

from apps.deployments.funding import cost_glm, lease_of
from apps.deployments.manifest import Manifest
from apps.deployments.models import Assignment, AssignmentState, Plan
from apps.money import ZERO
from apps.nodes.models import Offer


def first_leases_glm(plan: Plan) -> Decimal:
    """Of those that find a place now and do not already run as the file says. Start prices included."""
    specs, running = Manifest.model_validate(plan.manifest).services, _running(plan)
    starts = _start_prices(plan)
    return sum(
        (
            cost_glm(
                price_per_hour_glm=Decimal(placement["price_per_hour_glm"]),
                span=lease_of(specs[placement["service"]]),
                start_glm=starts.get(placement["offer_id"], ZERO),
            )
            for placement in plan.placements
            if placement["node_id"] and placement["replica"] not in running
        ),
        ZERO,
    )


def _running(plan: Plan) -> set[str]:
    """Replicas that applying the plan leaves alone: their leases are paid for."""
    specs = Manifest.model_validate(plan.manifest).services
    active = Assignment.objects.filter(
        state=AssignmentState.ACTIVE,
        replica__service__deployment__team=plan.team_id,
        replica__service__deployment__name=plan.name,
        replica__service__name__in=specs,
    ).select_related("replica__service")
    replicas = [assignment.replica for assignment in active]
    return {each.name for each in replicas if each.runs.recipe == specs[each.service.name].recipe}


def _start_prices(plan: Plan) -> dict[str, Decimal]:
    offers = [placement["offer_id"] for placement in plan.placements if placement["offer_id"]]
    prices = Offer.objects.filter(pk__in=offers).values_list("pk", "start_glm")
    return {str(offer): start_glm for offer, start_glm in prices}
