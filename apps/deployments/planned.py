"""The applied plan kept in mind: each replica is first looked for where the plan put it, at the plan's price.

Once: what is asked for again, after a failure or a scaling, is asked of the market as it is then.
"""

from __future__ import annotations

from decimal import Decimal

from apps.deployments.models import Deployment, Plan
from apps.deployments.replicas import Replica
from apps.market.needs import Need
from apps.market.offers import live_offers


def remember(plan: Plan, deployment: Deployment) -> None:
    """Of the replicas that the plan placed anew; those that it left where they are keep their agreements."""
    planned = {
        one["replica"]: one["offer_id"] for one in plan.placements if one["offer_id"] and not one.get("stays")
    }
    there = set(map(str, live_offers().filter(pk__in=planned.values()).values_list("pk", flat=True)))
    replicas = list(Replica.objects.filter(service__deployment=deployment).select_related("service"))
    for replica in replicas:
        offer_id = planned.get(replica.name)
        replica.planned_offer_id = offer_id if offer_id in there else None
    Replica.objects.bulk_update(replicas, ["planned_offer"])


def planned_price(replica: Replica, need: Need) -> Decimal | None:
    """GLM an hour at the planned offer; None where there is none, or it is no longer to be had.

    An offer's price never changes, so this is what the plan said.
    """
    if replica.planned_offer_id is None:
        return None
    offer = live_offers().filter(pk=replica.planned_offer_id).first()
    if offer is None or offer.node_id in need.avoid_nodes:
        return None
    return offer.price_per_hour_glm(need.cpu_threads)
