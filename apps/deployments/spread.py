"""What each waiting replica will probably cost, given that siblings land on different machines.

That they do is the market's affair (`Demand.spread_group`); here each is given its own quote out of one list,
best first, so that enough is held for it, and the nodes on which it has just failed are named.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from agent.protocol import RunState
from apps.deployments.replicas import Assignment, AssignmentState, Replica, ReplicaState
from apps.market.models import Agreement, AgreementState
from apps.market.needs import Need
from apps.market.quotes import Quote, quotes

FORGET_FAILURE = timedelta(minutes=10)
"""For so long a replica stays away from a node on which it failed, if it can."""

LOOK_AHEAD = 50
"""For so many waiting siblings at once the choice is spread; beyond that it starts from the best again."""


def group_of(service_id: uuid.UUID) -> str:
    """`Demand.spread_group` of a service's replicas, in every generation."""
    return f"service:{service_id}"


def quote_for(replica: Replica) -> tuple[Quote, list[str]]:
    """The replica's own quote, and the nodes it should avoid even if that puts it beside a sibling."""
    failed = _failed_on(replica)
    spec, waiting = replica.runs, _waiting(replica)
    need = Need(
        runtimes=spec.runtimes,
        cpu_threads=spec.cpu_threads,
        mem_gib=spec.mem_gib,
        max_price_per_hour_glm=spec.max_price_per_hour_glm,
        benchmarks=spec.benchmarks,
        strategy=spec.strategy,
        avoid_nodes=frozenset(failed),
        beside_nodes=frozenset(_taken(replica)),
    )
    found = quotes(need, count=min(len(waiting), LOOK_AHEAD))
    return found[waiting.index(replica.index) % LOOK_AHEAD], sorted(failed)


def _taken(replica: Replica) -> set[str]:
    """Nodes on which a sibling runs, or with which it has an agreement."""
    siblings = Replica.objects.filter(service=replica.service_id).exclude(pk=replica.pk)
    running = Assignment.objects.filter(replica__in=siblings, state=AssignmentState.ACTIVE)
    agreed = Agreement.objects.filter(
        demand__in=siblings.filter(state=ReplicaState.NEGOTIATING).values("demand"),
        state__in=[AgreementState.PROPOSED, AgreementState.APPROVED],
    )
    return {*running.values_list("node_id", flat=True), *agreed.values_list("node_id", flat=True)}


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
    ).exclude(demand__agreements__state__in=[AgreementState.PROPOSED, AgreementState.APPROVED])
    return sorted({*waiting.values_list("index", flat=True), replica.index})
