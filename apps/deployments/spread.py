"""Which node each waiting replica should try first, so that siblings land on different machines.

Siblings negotiate at the same time and can't see each other's outcome. So each is given its own quote out of
one list, best first, and told to stay away from the nodes of the other quotes and of what runs already. The
market takes that as a preference: two survivors of three nodes still run three replicas.
"""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from agent.protocol import RunState
from apps.deployments.replicas import Assignment, AssignmentState, Replica, ReplicaState
from apps.market.models import Agreement, AgreementState
from apps.market.quotes import Quote, quotes

FORGET_FAILURE = timedelta(minutes=10)
"""For so long a replica stays away from a node on which it failed, if it can."""

LOOK_AHEAD = 50
"""For so many waiting siblings at once the choice is spread; beyond that it starts from the best again."""


def quote_for(replica: Replica) -> tuple[Quote, list[str]]:
    """The replica's own quote, and the nodes it should avoid."""
    taken, failed = _taken(replica), _failed_on(replica)
    own, others = _own_and_others(replica, avoid_nodes=taken | failed)
    if own.node_id in failed:
        # Better beside a sibling than once more where it has just failed.
        own, others = _own_and_others(replica, avoid_nodes=failed)
        taken = set()
    return own, sorted((taken | failed | others) - {own.node_id})


def _own_and_others(replica: Replica, *, avoid_nodes: set[str]) -> tuple[Quote, set[str]]:
    """Its quote, and the nodes quoted to its waiting siblings."""
    spec, waiting = replica.runs, _waiting(replica)
    found = quotes(
        runtimes=spec.runtimes,
        cpu_threads=spec.cpu_threads,
        mem_gib=spec.mem_gib,
        max_price_per_hour_glm=spec.max_price_per_hour_glm,
        count=min(len(waiting), LOOK_AHEAD),
        avoid_nodes=avoid_nodes,
    )
    own = found[waiting.index(replica.index) % LOOK_AHEAD]
    return own, {quote.node_id for quote in found if quote.node_id}


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
    recent = replica.assignments.filter(
        observed=RunState.FAILED, created_at__gt=timezone.now() - FORGET_FAILURE
    )
    return set(recent.values_list("node_id", flat=True))


def _waiting(replica: Replica) -> list[int]:
    """Indexes of the siblings without a node, this one among them, in order."""
    waiting = Replica.objects.filter(
        service=replica.service_id,
        index__lte=replica.service.replicas_wanted,
        state__in=[ReplicaState.PENDING, ReplicaState.NEGOTIATING],
    ).exclude(demand__agreements__state__in=[AgreementState.PROPOSED, AgreementState.APPROVED])
    return sorted({*waiting.values_list("index", flat=True), replica.index})
