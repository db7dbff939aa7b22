"""The applied plan kept in mind: each replica is first looked for where the plan put it, at the plan's price.

Once: what is asked for again, after a failure or a scaling, is asked of the market as it is then.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal
from typing import Final
from uuid import UUID

from agent.protocol import Price
from apps.deployments.models import Deployment, Plan
from apps.deployments.replicas import Replica
from apps.market.needs import Need
from apps.market.placing.conditions import HOURS_OF_A_START
from apps.market.placing.offers import live_offers
from apps.money import round_glm
from apps.nodes.models import Offer

LEEWAY: Final = Decimal("1.1")
"""By so much prices may have risen since the plan."""


def remember(plan: Plan, deployment: Deployment) -> None:
    """Of the replicas that the plan placed anew; those that it left where they are keep their agreements."""
    planned = {one["replica"]: one for one in plan.placements if one["offer_id"] and not one.get("stays")}
    offers = _offers_now({one["offer_id"] for one in planned.values()})
    replicas = list(Replica.objects.filter(service__deployment=deployment).select_related("service"))
    for replica in replicas:
        one = planned.get(replica.name)
        replica.planned_offer_id = offers.get(one["offer_id"]) if one else None
        replica.planned_per_hour_glm = Decimal(one["price_per_hour_glm"]) if one else None
    Replica.objects.bulk_update(replicas, ["planned_offer", "planned_per_hour_glm"])


def _offers_now(offer_ids: Collection[str]) -> dict[str, UUID]:
    """Those that are live; of those that are not, what the same Bee offers at the same price since.

    A Bee makes its offers anew each half hour, and a plan lives ten minutes.
    """
    wanted = Offer.objects.in_bulk([UUID(offer_id) for offer_id in offer_ids])
    live = live_offers().filter(node__in={offer.node_id for offer in wanted.values()}).order_by("issued_at")
    same = {_terms(offer): offer.pk for offer in live}
    ids = {offer.pk for offer in live}
    heirs = {pk: pk if pk in ids else same.get(_terms(offer)) for pk, offer in wanted.items()}
    return {str(pk): heir for pk, heir in heirs.items() if heir is not None}


def _terms(offer: Offer) -> tuple[str, str, Price]:
    return offer.node_id, offer.runtime, offer.price


def within_plan(replica: Replica, need: Need) -> Need:
    """Without a limit of the file's own, what the plan said is one until the replica first runs well.

    Else a Bee could be cheap in the plan and dear a moment later, and nobody would be asked.
    """
    if need.max_price_per_hour_glm is not None or replica.planned_per_hour_glm is None:
        return need
    limit = round_glm(replica.planned_per_hour_glm * LEEWAY)
    start = round_glm(limit * HOURS_OF_A_START) if need.max_start_glm is None else need.max_start_glm
    return replace(need, max_price_per_hour_glm=limit, max_start_glm=start)


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
