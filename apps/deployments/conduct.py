"""What running replicas on a node tells of its conduct: what came up there, and what was given back."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from django.utils import timezone

from agent.protocol import RunState
from apps.deployments import keyed
from apps.deployments.replicas import Assignment, AssignmentState, Replica, ReplicaState
from apps.market.models import FactKind
from apps.market.reputation.dealing import note_loss
from apps.market.reputation.noting import note


def note_start(replica: Replica, assignment: Assignment) -> None:
    """It came up healthy there: this recipe works. Once a day for each node and recipe."""
    _note_attempt(FactKind.STARTED, replica, assignment)


def note_failure(replica: Replica, *, now: datetime) -> None:
    """A generation is given up as failed. What fails later than at its start is the image's own affair, as is
    what comes up nowhere (`weighing.just` leaves that out) and what its key forbade the Bee to start.
    """
    assignment = replica.assignment
    if assignment is None or assignment.state != AssignmentState.ACTIVE:
        return
    if assignment.observed == RunState.STOPPED and now < assignment.lease_until:
        note_loss(assignment.agreement, "its owner stopped it before its lease was over")
    elif replica.state == ReplicaState.STARTING and not keyed.forbade(assignment):
        _note_attempt(FactKind.START_FAILED, replica, assignment)


def subject_of(replica: Replica) -> str:
    """The same for replicas of one recipe of one team, on whichever node: see `ServiceSpec.recipe`."""
    recipe = json.dumps(replica.runs.recipe, sort_keys=True)
    return hashlib.sha256(f"{replica.audit_team_id} {recipe}".encode()).hexdigest()


def _note_attempt(kind: FactKind, replica: Replica, assignment: Assignment) -> None:
    subject, day = subject_of(replica), f"{timezone.now():%Y-%m-%d}"
    note(
        assignment.node_id,
        kind,
        # Short enough for the column: half of the digest tells recipes of one day and node apart as well.
        reference=f"{kind}:{day}:{assignment.node_id}:{subject[:32]}",
        agreement=assignment.agreement,
        subject=subject,
        detail=assignment.agreement.image if kind == FactKind.START_FAILED else "",
    )
