"""What a waiting replica asks of the market, and what it will probably cost, given where its siblings land.

That they land apart is the market's affair (`Need.group`); here each is given its own quote out of one list,
best first, so that enough is held for it, and the nodes on which it has just failed are named.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from itertools import chain

from django.db.models import Q
from django.utils import timezone

from agent.protocol import RunState
from apps.deployments import keyed
from apps.deployments.models import Service
from apps.deployments.needs import need_of
from apps.deployments.replicas import Assignment, AssignmentState, Replica, ReplicaState
from apps.market.models import IN_FORCE, Agreement
from apps.market.needs import Need
from apps.market.placing.book import Book
from apps.market.placing.offers import live_book
from apps.market.placing.quotes import Quote, quotes

FORGET_FAILURE = timedelta(minutes=10)
"""For so long a replica stays away from a node on which it failed, if it can."""

LOOK_AHEAD = 50
"""For so many waiting siblings at once the choice is spread; beyond that it starts from the best again."""


def group_of(service_id: uuid.UUID) -> str:
    """`Demand.spread_group` of a service's replicas, in every generation."""
    return f"service:{service_id}"


def need_for(replica: Replica) -> Need:
    """What its next generation asks for."""
    deployment = replica.service.deployment_id

    def other(name: str) -> str:
        """A service that the file names is there: `compose.affinity` has seen to it."""
        found = Service.objects.filter(deployment=deployment, name=name).values_list("pk", flat=True).first()
        return group_of(found) if found else ""

    return need_of(
        replica.runs,
        group=group_of(replica.service_id),
        group_of=other,
        allowed_nodes=keyed.nodes_for(replica.service.deployment),
        avoid_nodes=_failed_on(replica),
    )


class Quoting:
    """The market as one sweep over many replicas finds it: read once, when the first of them asks.

    A sweep takes seconds. What has changed meanwhile is seen by the negotiation, and the hold topped up then.
    """

    def __init__(self) -> None:
        self._found: dict[str, list[Quote]] = {}

    @cached_property
    def _book(self) -> Book:
        return live_book()

    def quote_for(self, replica: Replica, need: Need) -> Quote:
        """Its own: beside no sibling as far as that goes, near those that it belongs to."""
        waiting = _waiting(replica)
        there = replace(need, beside_nodes=_taken(replica), near_nodes=_near(replica))
        found = self._quotes(there, count=min(len(waiting), LOOK_AHEAD))
        return found[waiting.index(replica.index) % LOOK_AHEAD]

    def _quotes(self, need: Need, *, count: int) -> list[Quote]:
        """The same list for siblings that ask for the same."""
        key = f"{count} {need}"
        if key not in self._found:
            self._found[key] = quotes(self._book, need, count=count)
        return self._found[key]


def _taken(replica: Replica) -> tuple[str, ...]:
    """Nodes on which a sibling runs, or with which it has an agreement; once for each sibling."""
    return _nodes_of(Q(service=replica.service_id) & ~Q(pk=replica.pk))


def _near(replica: Replica) -> frozenset[str]:
    """Nodes of the replicas that its affinity names."""
    affinity = replica.runs.affinity
    if affinity is None:
        return frozenset()
    deployment = replica.service.deployment_id
    return frozenset(_nodes_of(Q(service__deployment=deployment, service__name=affinity.service)))


def _nodes_of(which: Q) -> tuple[str, ...]:
    """In order, so that siblings that ask for the same ask in the same words."""
    replicas = Replica.objects.filter(which)
    running = Assignment.objects.filter(replica__in=replicas, state=AssignmentState.ACTIVE)
    agreed = Agreement.objects.filter(
        demand__in=replicas.filter(state=ReplicaState.NEGOTIATING).values("demand"),
        state__in=IN_FORCE,
    )
    node_ids = (rows.values_list("node_id", flat=True) for rows in (running, agreed))
    return tuple(sorted(chain.from_iterable(node_ids)))


def _failed_on(replica: Replica) -> set[str]:
    unfit = Q(observed=RunState.FAILED) | ~Q(endpoint_fault="")
    recent = replica.assignments.filter(unfit, created_at__gt=timezone.now() - FORGET_FAILURE)
    return set(recent.values_list("node_id", flat=True))


def _waiting(replica: Replica) -> list[int]:
    """Indexes of the siblings without a node, this one among them, in order."""
    waiting = Replica.objects.filter(
        service=replica.service_id,
        index__lte=replica.service.replicas_wanted,
        state__in=[ReplicaState.PENDING, ReplicaState.NEGOTIATING],
    ).exclude(demand__agreements__state__in=IN_FORCE)
    return sorted({*waiting.values_list("index", flat=True), replica.index})
