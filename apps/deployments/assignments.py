"""Assignments from their making to their end: what a Bee should run, and for how long."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from agent import protocol
from apps.deployments import keyed
from apps.deployments.funding import lease_of
from apps.deployments.replicas import Assignment, AssignmentState, Replica
from apps.market.models import IN_FORCE, Agreement
from apps.market.negotiating.negotiation import terminate
from apps.nodes.links import nudge
from apps.nodes.models import NodeState
from apps.teams.audit import Actor
from apps.teams.states import StaleState

log = logging.getLogger("hive.deployments")

SWEEP = Actor.queen("leases")
GONE_NODES = frozenset({NodeState.OFFLINE, NodeState.BANNED})


def assign(replica: Replica, agreement: Agreement, *, lease_until: datetime) -> Assignment:
    """Have the agreement's node run this generation."""
    assignment = Assignment.objects.create(
        replica=replica,
        generation=replica.generation,
        node=agreement.node,
        agreement=agreement,
        lease_until=lease_until,
        renew_at=renewal_at(lease_until, lease=lease_of(replica.runs)),
        deadline_at=lease_until,
        reason="wanted",
        permit=keyed.as_json(keyed.permit_of(replica.service.deployment, node_id=agreement.node_id)),
    )
    nudge(agreement.node_id)
    return assignment


def renewal_at(lease_until: datetime, *, lease: timedelta) -> datetime:
    """A third of the lease is over then, and two are left to find the money."""
    return lease_until - lease * 2 / 3


def wanted_assignments(node_ids: Collection[str]) -> dict[str, list[protocol.Assignment]]:
    """The complete set that each of these nodes should run now. What has no lease any more is not in it.

    One query for all of them; a node that should run nothing has an empty list.
    """
    now, wanted = timezone.now(), defaultdict[str, list[protocol.Assignment]](list)
    active = Assignment.objects.filter(node__in=node_ids, state=AssignmentState.ACTIVE, lease_until__gt=now)
    for one in active.select_related("replica__service", "agreement"):
        wanted[one.node_id].append(_message(one, now=now))
    return wanted


def _message(assignment: Assignment, *, now: datetime) -> protocol.Assignment:
    replica, permit = assignment.replica, keyed.from_json(assignment.permit)
    return protocol.Assignment(
        assignment_id=str(assignment.id),
        agreement_id=str(assignment.agreement_id),
        replica=replica.name,
        generation=assignment.generation,
        lease_s=(assignment.lease_until - now).total_seconds(),
        workload=replica.runs.workload(runtime=assignment.agreement.runtime, permit=permit),
    )


def release(assignment: Assignment, *, actor: Actor, reason: str) -> None:
    """No longer wanted. Its agreement ends when the Bee says it is gone; if the Bee itself is gone, now."""
    if assignment.state == AssignmentState.ACTIVE:
        # Past its lease the Bee has stopped it by itself; until then the Bee has time to say so.
        deadline_at = assignment.lease_until
        assignment.move_to(AssignmentState.RELEASED, actor=actor, reason=reason, deadline_at=deadline_at)
        nudge(assignment.node_id)
    if assignment.node.state in GONE_NODES:
        end_agreement(assignment.agreement, actor=actor, reason=reason)


def ended(assignment: Assignment, *, actor: Actor, reason: str) -> None:
    """The Bee says that it is gone: nothing is owed for it from here on."""
    assignment.move_to(AssignmentState.ENDED, actor=actor, reason=reason)
    end_agreement(assignment.agreement, actor=actor, reason=reason)


def sweep_lost() -> int:
    """Released assignments whose Bee never answered, and whose lease is over. Returns how many."""
    silent = Assignment.objects.filter(state=AssignmentState.RELEASED, deadline_at__lte=timezone.now())
    lost = list(silent.select_related("agreement", "replica__service__deployment")[:200])
    return sum(_lose_or_log(assignment) for assignment in lost)


def _lose_or_log(assignment: Assignment) -> bool:
    try:
        return _lose(assignment)
    except Exception:  # one that fails holds up no other
        log.exception("assignment %s is lost, and can't be ended; it is tried again", assignment.pk)
        return False


def _lose(assignment: Assignment) -> bool:
    """False when its Bee spoke up in this very moment, or its agreement was ended by somebody else."""
    reason = "its bee fell silent and its lease ran out: by its own fencing it stopped"
    try:
        with transaction.atomic():
            assignment.move_to(AssignmentState.LOST, actor=SWEEP, reason=reason)
            end_agreement(assignment.agreement, actor=SWEEP, reason=reason)
    except StaleState:
        return False
    return True


def end_agreement(agreement: Agreement, *, actor: Actor, reason: str) -> None:
    agreement.refresh_from_db(fields=["state"])
    if agreement.state in IN_FORCE:
        terminate(agreement, actor=actor, reason=reason)
