"""Making what runs equal to what is wanted, one replica at a time: look, decide, act, look again.

The row lock on the replica is the claim, and every step is one transaction: two workers never act on one
replica, and a worker that is killed leaves either the whole step or nothing of it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import OperationalError, transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.billing.models import HoldState
from apps.deployments.acting import act
from apps.deployments.assignments import GONE_NODES
from apps.deployments.decide import Action, Run, View, decide
from apps.deployments.edge import publish_soon
from apps.deployments.live import announce
from apps.deployments.models import Service, Wanted
from apps.deployments.replicas import Assignment, AssignmentState, Replica, ReplicaState
from apps.deployments.spread import Quoting
from apps.nodes.models import Scheduling
from apps.teams.states import StateError
from apps.work import enqueue

logger = logging.getLogger("hive.deployments")

MAX_STEPS = 8
"""In one go; a replica that wants more is looked at again with the next sweep."""
TROUBLE_S = 5.0
"""How long a replica rests after an error of ours, so that it holds up no other."""
BATCH = 200
PROMISED_FIRST = F("planned_offer").asc(nulls_last=True)
"""Of those due at once: where a plan found a place for some of a deployment, the others take what is left."""

SETTLED = Q(state=ReplicaState.FAILED) | Q(state=ReplicaState.STOPPED) & (
    Q(service__deployment__wanted=Wanted.STOPPED) | Q(index__gt=F("service__replicas_wanted"))
)
"""Nothing to do until somebody applies, scales or starts it: only they give a failed replica another try."""


def reconcile_each(replica_ids: Iterable[uuid.UUID | str]) -> None:
    """One after the other, in one look at the market."""
    quoting = Quoting()
    for replica_id in replica_ids:
        _reconcile(replica_id, quoting)


def _reconcile(replica_id: uuid.UUID | str, quoting: Quoting) -> None:
    """Take the steps that this replica needs now; nothing when another worker has it, or it isn't due."""
    try:
        for _ in range(MAX_STEPS):
            if not _step(replica_id, quoting):
                break
    except (StateError, OperationalError) as error:  # OperationalError: a deadlock, undone by the database
        logger.info("replica %s: %s; deciding again", replica_id, error)
        _rest(replica_id, seconds=0.2)
    except Exception:
        logger.exception("replica %s: looked at again in %.0f s", replica_id, TROUBLE_S)
        _rest(replica_id, seconds=TROUBLE_S)


def reconcile_due() -> int:
    """All replicas whose time has come. Returns how many."""
    wake_displaced()
    now = timezone.now()
    due = Replica.objects.filter(retry_at__lte=now).exclude(SETTLED).order_by("retry_at", PROMISED_FIRST)
    ids = list(due.values_list("pk", flat=True)[:BATCH])
    reconcile_each(ids)
    return len(ids)


def wake_displaced() -> int:
    """Have replicas looked at whose node is gone or being drained, without waiting for their next look."""
    displaced = Assignment.objects.filter(state=AssignmentState.ACTIVE).filter(
        Q(node__state__in=GONE_NODES) | Q(node__scheduling=Scheduling.DRAINING)
    )
    now = timezone.now()
    waiting = Replica.objects.filter(assignments__in=displaced, retry_at__gt=now + timedelta(seconds=1))
    return waiting.update(retry_at=now)


def wake(replica_ids: Collection[uuid.UUID]) -> None:
    """Something happened to these replicas: have them looked at as soon as this transaction is committed."""
    ids = [str(replica_id) for replica_id in replica_ids]
    if ids:
        Replica.objects.filter(pk__in=ids).update(retry_at=timezone.now())
        enqueue("deployments.reconcile", ids)


@transaction.atomic
def _step(replica_id: uuid.UUID | str, quoting: Quoting) -> bool:
    """One step. False when there is nothing more to do for now, or the replica is not due."""
    now = timezone.now()
    replica = _claim(replica_id, now=now)
    if replica is None:
        return False
    before, was_routed = (replica.state, replica.reason), replica.is_routed
    step = decide(view_of(replica), now)
    act(replica, step, now=now, quoting=quoting)
    replica.refresh_from_db(fields=["state", "reason", "leaving_at"])
    if (replica.state, replica.reason) != before:
        announce(replica.service.deployment_id)
    if replica.is_routed != was_routed:
        publish_soon()
    return step.action != Action.WAIT


def _claim(replica_id: uuid.UUID | str, *, now: datetime) -> Replica | None:
    """Lock first, read then: a join in the locking query shows the joined rows as they were before it."""
    due = Replica.objects.select_for_update(skip_locked=True).filter(pk=replica_id, retry_at__lte=now)
    if due.first() is None:
        return None
    rows = Replica.objects.select_related(
        "service__deployment__budget__team", "service__deployment__team", "service__deployment__cap"
    )
    return rows.select_related("service__deployment__key__policy", "hold", "demand").get(pk=replica_id)


def _rest(replica_id: uuid.UUID | str, *, seconds: float) -> None:
    Replica.objects.filter(pk=replica_id).update(retry_at=timezone.now() + timedelta(seconds=seconds))


def view_of(replica: Replica) -> View:
    """Everything that bears on the replica, read in the transaction that will act on it."""
    assignment = replica.assignment
    outdated = replica.is_outdated
    draining = assignment is not None and assignment.node.scheduling == Scheduling.DRAINING
    return View(
        state=replica.state,
        since=replica.state_since,
        deadline_at=replica.deadline_at,
        reason=replica.reason,
        attempts=replica.attempts,
        wanted=_is_wanted(replica),
        outdated=outdated,
        turn=(outdated or draining) and _is_its_turn(replica),
        routed=replica.runs.port is not None and replica.service.deployment.wanted == Wanted.RUNNING,
        leaving_since=replica.leaving_at,
        image=replica.runs.image,
        held=replica.hold is not None and replica.hold.state == HoldState.HELD,
        demand_state=replica.demand.state if replica.demand else None,
        demand_reason=replica.demand.reason if replica.demand else "",
        run=_run(assignment, needs_endpoint=replica.runs.port is not None) if assignment else None,
    )


def _run(assignment: Assignment, *, needs_endpoint: bool) -> Run:
    return Run(
        state=assignment.state,
        observed=assignment.observed,
        observed_reason=assignment.observed_reason,
        reachable=bool(assignment.endpoint) or not needs_endpoint,
        refused=assignment.endpoint_fault if needs_endpoint else "",
        lease_until=assignment.lease_until,
        node=str(assignment.node),
        node_state=assignment.node.state,
        scheduling=assignment.node.scheduling,
        agreement_state=assignment.agreement.state,
    )


def _is_wanted(replica: Replica) -> bool:
    service = replica.service
    return service.deployment.wanted == Wanted.RUNNING and replica.index <= service.replicas_wanted


def _is_its_turn(replica: Replica) -> bool:
    """Whether all others of its service serve. Under the service's lock, so that only one is told yes."""
    locked = (
        Service.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=replica.service_id).first()
    )
    if locked is None:
        return False
    others = Replica.objects.filter(service=locked, index__lte=locked.replicas_wanted).exclude(pk=replica.pk)
    return not others.exclude(state=ReplicaState.HEALTHY, leaving_at=None).exists()
