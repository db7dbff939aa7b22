"""What the Bees say of what they run: one set-based pass over a batch of heartbeats."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agent.protocol import Observed, ObservedAssignment, RunState
from apps.deployments import assignments
from apps.deployments.endpoints import fault_of
from apps.deployments.live import announce
from apps.deployments.reconcile import wake
from apps.deployments.replicas import Assignment, AssignmentState, Replica, ReplicaState
from apps.market.models import Agreement
from apps.nodes import presence
from apps.teams.audit import Actor
from apps.teams.states import StateError

IN_FORCE = frozenset({AssignmentState.ACTIVE, AssignmentState.RELEASED})
TOLD = ("observed", "observed_reason", "endpoint", "endpoint_fault", "restarts")
"""What a report sets."""
GONE = frozenset({RunState.STOPPED, RunState.FAILED})
UNSEEN_GRACE = timedelta(seconds=2)
"""One released so lately may be missing from a report that was written before the Bee even had it."""


def take_observations(seen: Mapping[str, Observed]) -> None:
    """Write down what these nodes run, end what is gone, wake the replicas for which something changed."""
    now = timezone.now()
    rows = Assignment.objects.filter(node__in=seen, state__in=IN_FORCE).order_by("pk")
    placed = list(rows.select_related("agreement", "node", "replica__service__deployment"))
    changed, gone = [], []
    peers = presence.peers({assignment.node_id for assignment in placed})
    for assignment in placed:
        report = _report_on(assignment, seen[assignment.node_id])
        if _is_gone(assignment, report, now=now):
            gone.append(assignment)
        elif report is not None and _takes_in(assignment, report, peer=peers.get(assignment.node_id)):
            changed.append(assignment)
    _write(changed, now=now)
    for assignment in gone:
        _end(assignment, seen[assignment.node_id])
    _tell([*changed, *gone])


def nodes_changed(node_ids: Collection[str]) -> None:
    """These nodes came, went or answered: have their replicas looked at."""
    agreed = Agreement.objects.filter(node__in=node_ids).values("demand")
    placed = Q(assignments__node__in=node_ids, assignments__state__in=IN_FORCE)
    found = Replica.objects.filter(placed | Q(state=ReplicaState.NEGOTIATING, demand__in=agreed)).distinct()
    wake(list(found.values_list("pk", flat=True)))


def demands_moved(demand_ids: Collection[uuid.UUID]) -> None:
    """These demands got an answer: have the replicas behind them looked at."""
    wake(list(Replica.objects.filter(demand__in=demand_ids).values_list("pk", flat=True)))


def _report_on(assignment: Assignment, observed: Observed) -> ObservedAssignment | None:
    for report in observed.assignments:
        if report.assignment_id == str(assignment.id) and report.generation == assignment.generation:
            return report
    return None


def _is_gone(assignment: Assignment, report: ObservedAssignment | None, *, now: datetime) -> bool:
    """Only what was released can be gone; an active one that has failed is `decide`'s affair."""
    if assignment.state != AssignmentState.RELEASED:
        return False
    return report.state in GONE if report else now - assignment.state_since >= UNSEEN_GRACE


def _takes_in(assignment: Assignment, report: ObservedAssignment, *, peer: str | None) -> bool:
    """Write the report into the row; whether anything of it is new."""
    before = _told(assignment)
    assignment.observed, assignment.observed_reason = report.state.value, report.reason[:500]
    assignment.restarts = report.restarts
    _take_endpoint(assignment, report.endpoint, peer=peer)
    return _told(assignment) != before


def _told(assignment: Assignment) -> list[object]:
    return [getattr(assignment, name) for name in TOLD]


def _take_endpoint(assignment: Assignment, endpoint: str, *, peer: str | None) -> None:
    """One that was accepted stays known: the access log speaks of it after the replica is gone."""
    if not endpoint:
        return
    fault = fault_of(endpoint, node_id=assignment.node_id, peer=peer)
    assignment.endpoint_fault = fault[:400]
    if not fault:
        assignment.endpoint = endpoint


def _write(changed: list[Assignment], *, now: datetime) -> None:
    for assignment in changed:
        assignment.observed_at = now
    Assignment.objects.bulk_update(changed, [*TOLD, "observed_at"])


def _end(assignment: Assignment, observed: Observed) -> None:
    report = _report_on(assignment, observed)
    reason = f"its bee stopped it: {report.reason}" if report and report.reason else "its bee stopped it"
    try:
        with transaction.atomic():
            assignments.ended(assignment, actor=Actor.node(assignment.node_id), reason=reason)
    except StateError:
        pass  # somebody else saw it end first


def _tell(touched: list[Assignment]) -> None:
    current = {one.replica_id for one in touched if one.generation == one.replica.generation}
    wake(sorted(current))
    announce(*{one.replica.service.deployment_id for one in touched})
