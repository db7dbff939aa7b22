"""Renewing leases: each third of a lease, while the budget pays for the next one.

Money and lease move in one transaction. What is not renewed runs out, and the Bee stops it by itself: no
replica runs, and nobody pays, without a lease.
"""

from __future__ import annotations

import logging

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.billing.ledger.posting import InsufficientFunds
from apps.deployments import funding, keyed
from apps.deployments.acting import fund
from apps.deployments.assignments import renewal_at, sweep_lost
from apps.deployments.ends.moving import run_short
from apps.deployments.live import announce
from apps.deployments.models import Wanted
from apps.deployments.replicas import PLACED_STATES, Assignment, AssignmentState, Replica, ReplicaState
from apps.market.models import AgreementState
from apps.nodes.links import nudge
from apps.nodes.models import NodeState
from apps.teams.states import StateError

log = logging.getLogger("hive.deployments")

RENEWABLE_NODES = frozenset({NodeState.ONLINE, NodeState.UNKNOWN})


def renew_leases() -> int:
    """Renew what is due and fundable; end what was lost. Returns how many leases were renewed."""
    sweep_lost()
    now = timezone.now()
    # A lease that has run out is not renewed: its Bee has stopped already.
    due = Assignment.objects.filter(
        state=AssignmentState.ACTIVE,
        renew_at__lte=now,
        lease_until__gt=now,
        node__state__in=RENEWABLE_NODES,
        agreement__state=AgreementState.APPROVED,
        replica__state__in=PLACED_STATES,
        replica__generation=F("generation"),
        replica__service__deployment__wanted=Wanted.RUNNING,
        replica__index__lte=F("replica__service__replicas_wanted"),
    )
    return sum(_renew_or_log(one) for one in due.order_by("lease_until"))


def _renew_or_log(due: Assignment) -> bool:
    try:
        return _renew(due)
    except Exception:  # one that fails holds up no other
        log.exception("the lease of assignment %s can't be renewed; it is tried again", due.pk)
        return False


@transaction.atomic
def _renew(due: Assignment) -> bool:
    # The lock that `reconcile` takes too; what is decided on is read once it is held.
    if Replica.objects.select_for_update(skip_locked=True).filter(pk=due.replica_id).first() is None:
        return False
    rows = Assignment.objects.select_related(
        "agreement__hold",
        "replica__service__deployment__budget__team",
        "replica__service__deployment__key__policy",
    )
    now = timezone.now()
    assignment = rows.filter(pk=due.pk, state=AssignmentState.ACTIVE, lease_until__gt=now).first()
    if assignment is None:
        return False
    replica, lease = assignment.replica, funding.lease_of(assignment.replica.runs)
    if why_not := keyed.why_not_on(replica, assignment.node_id):
        _not_renewed(replica, assignment, why_not)
        return False
    until = now + lease
    try:
        with transaction.atomic():
            hold = fund(assignment.agreement.hold, assignment.agreement, until=until)
    except (InsufficientFunds, StateError) as error:
        _not_renewed(replica, assignment, _why_short(replica, error))
        if isinstance(error, InsufficientFunds):
            run_short(replica.service.deployment, error, now=now)
        return False
    lease_until = hold.deadline_at or until
    Assignment.objects.filter(pk=assignment.pk).update(
        lease_until=lease_until, deadline_at=lease_until, renew_at=renewal_at(lease_until, lease=lease)
    )
    # A healthy replica's deadline is its lease; the others have their own.
    Replica.objects.filter(pk=replica.pk, state=ReplicaState.HEALTHY).update(deadline_at=lease_until)
    nudge(assignment.node_id)
    return True


def _why_short(replica: Replica, error: Exception) -> str:
    budget = replica.service.deployment.budget
    return funding.shortage(budget, error) if isinstance(error, InsufficientFunds) else str(error)


def _not_renewed(replica: Replica, assignment: Assignment, why: str) -> None:
    reason = f"its lease ends at {assignment.lease_until:%H:%M:%S} UTC and can't be renewed: {why}"
    if Replica.objects.filter(pk=replica.pk).exclude(reason=reason).update(reason=reason[:500]):
        announce(replica.service.deployment_id)
