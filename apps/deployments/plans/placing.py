"""Where each replica of a manifest would go now, at which price, and why there.

A replica that applying leaves alone stays where it is, at the price that was agreed; the market is asked for
the others alone, for all of them together: none is promised another's room.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

from apps.deployments.compose.problems import ManifestError, Problem
from apps.deployments.manifest import Manifest, ServiceSpec
from apps.deployments.models import HOURS_PER_MONTH, Assignment, AssignmentState, Wanted
from apps.deployments.needs import need_of
from apps.deployments.plans.replacing import in_place
from apps.deployments.plans.risks import Spot
from apps.market.filters.problems import FilterError
from apps.market.models import NodeReputation
from apps.market.needs import Need, Want
from apps.market.placing.offers import live_book
from apps.market.placing.place import place
from apps.market.placing.quotes import Quote
from apps.money import ZERO, plain
from apps.nodes.models import Node, Offer
from apps.teams.models import Team

Placement = dict[str, Any]
"""As it is stored and signed; see `_placement`. Amounts are texts, exact."""


def placements_of(
    manifest: Manifest, *, team: Team, name: str, allowed_nodes: Collection[str] | None = None
) -> list[Placement]:
    """One for each replica, in the order of the file; `allowed_nodes` as in `Need`."""
    running = _running(manifest, team=team, name=name)
    staying = {replica: _stays(one) for replica, one in running.items() if _is_left_alone(one, manifest)}
    leaving = {replica: one for replica, one in running.items() if replica not in staying}
    wanted = {
        service: [replica for replica in _replicas(service, spec) if replica not in staying]
        for service, spec in manifest.services.items()
    }
    needs = {service: _need(service, manifest, list(staying.values()), allowed_nodes) for service in wanted}
    try:
        quotes = _quotes(wanted, needs, leaving)
    except FilterError as error:
        raise ManifestError([Problem("x-hive.constraints", None, str(error))]) from None
    return _named(
        [
            staying.get(replica) or _quoted(replica, service, quotes[replica])
            for service, spec in manifest.services.items()
            for replica in _replicas(service, spec)
        ]
    )


def _quotes(
    wanted: Mapping[str, list[str]], needs: Mapping[str, Need], leaving: Mapping[str, Assignment]
) -> dict[str, Quote]:
    """By the replicas' names."""
    book = live_book(strict=True)
    found = place(book, [Want(needs[service], len(replicas)) for service, replicas in wanted.items()])
    named = zip(chain.from_iterable(wanted.values()), chain.from_iterable(found), strict=True)
    quotes = dict(named)
    of_each = {replica: needs[service] for service, replicas in wanted.items() for replica in replicas}
    return quotes | in_place(book, quotes, of_each, leaving)


def per_month(placement: Placement) -> Decimal | None:
    """GLM; None for one without a place."""
    per_hour = placement["price_per_hour_glm"]
    return None if per_hour is None else Decimal(per_hour) * HOURS_PER_MONTH


def spots_of(placements: list[Placement]) -> list[Spot]:
    """What is known of the nodes that were chosen."""
    placed = [one for one in placements if one["node_id"]]
    nodes = Node.objects.select_related("reputation").in_bulk({one["node_id"] for one in placed})
    return [_spot(one, nodes[one["node_id"]]) for one in placed if one["node_id"] in nodes]


def _replicas(service: str, spec: ServiceSpec) -> list[str]:
    return [f"{service}-{index}" for index in range(1, spec.replicas + 1)]


def _running(manifest: Manifest, *, team: Team, name: str) -> dict[str, Assignment]:
    """What runs now of the manifest's services, by the replicas' names."""
    active = Assignment.objects.filter(
        state=AssignmentState.ACTIVE,
        replica__service__deployment__team=team,
        replica__service__deployment__name=name,
        replica__service__deployment__wanted=Wanted.RUNNING,
        replica__service__name__in=manifest.services,
    ).select_related("replica__service", "agreement")
    return {one.replica.name: one for one in active}


def _is_left_alone(assignment: Assignment, manifest: Manifest) -> bool:
    replica = assignment.replica
    return replica.runs.recipe == manifest.services[replica.service.name].recipe


def _stays(assignment: Assignment) -> Placement:
    agreement = assignment.agreement
    return _placement(
        replica=assignment.replica.name,
        service=assignment.replica.service.name,
        node_id=agreement.node_id,
        offer_id=str(agreement.offer_id),
        agreement_id=str(agreement.pk),
        price_per_hour_glm=plain(agreement.price_per_hour_glm),
        because=["it runs there already, and the change leaves it alone"],
        stays=True,
    )


def _quoted(replica: str, service: str, quote: Quote) -> Placement:
    price = quote.price_per_hour_glm
    return _placement(
        replica=replica,
        service=service,
        node_id=quote.node_id,
        offer_id=quote.offer_id,
        price_per_hour_glm=None if price is None else plain(price),
        reason=quote.reason,
        nearest=str(quote.nearest or ""),
        because=quote.because,
    )


def _placement(*, replica: str, service: str, **said: Any) -> Placement:
    """`reason` says why it can't be placed, `nearest` what would have to give for it to be."""
    return {
        "replica": replica,
        "service": service,
        "node_id": None,
        "node_name": "",
        "region": "",
        "offer_id": None,
        "agreement_id": None,
        "price_per_hour_glm": None,
        "start_glm": "0",
        "reason": "",
        "nearest": "",
        "because": [],
        "stays": False,
    } | said


def _named(placements: list[Placement]) -> list[Placement]:
    """With the node's name, where it is as far as that is believed, and what starting there costs."""
    nodes = Node.objects.in_bulk({one["node_id"] for one in placements if one["node_id"]})
    new = [one["offer_id"] for one in placements if one["offer_id"] and not one["stays"]]
    starts = dict(Offer.objects.filter(pk__in=new).values_list("pk", "start_glm"))
    return [one | _about(one, nodes.get(one["node_id"]), starts) for one in placements]


def _about(one: Placement, node: Node | None, starts: Mapping[UUID, Decimal]) -> dict[str, str]:
    if node is None:
        return {}
    start_glm = ZERO if one["stays"] else starts.get(UUID(one["offer_id"]), ZERO)
    region = "" if node.region_fault else node.region
    return {"node_name": node.name, "region": region, "start_glm": plain(start_glm)}


def _spot(placement: Placement, node: Node) -> Spot:
    return Spot(
        replica=placement["replica"],
        service=placement["service"],
        node_id=node.pk,
        node_name=node.name,
        owner_id=node.owner_id,
        region=placement["region"],
        region_fault=node.region_fault,
        **_reputation(node),
    )


def _reputation(node: Node) -> dict[str, Any]:
    """A node that has no row yet is a newcomer."""
    known: NodeReputation | None = getattr(node, "reputation", None)
    if known is None:
        return {}
    return {"is_newcomer": known.is_newcomer, "score": known.score, "facts": known.sentences}


def _need(
    service: str, manifest: Manifest, staying: list[Placement], allowed_nodes: Collection[str] | None
) -> Need:
    """With where its siblings stay, and those that it wants to be beside."""
    spec = manifest.services[service]
    need = need_of(spec, group=service, group_of=str, allowed_nodes=allowed_nodes)
    near = spec.affinity.service if spec.affinity else None
    beside, neighbours = _nodes_of(service, staying), _nodes_of(near, staying)
    return replace(need, beside_nodes=beside, near_nodes=frozenset(neighbours))


def _nodes_of(service: str | None, staying: list[Placement]) -> tuple[str, ...]:
    """Once for each replica."""
    return tuple(one["node_id"] for one in staying if one["service"] == service)
