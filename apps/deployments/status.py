"""The status of a deployment: derived from its replicas by one list, read from the top, never stored."""

from __future__ import annotations

from collections.abc import Callable, Collection

from django.db import models

from apps.deployments.models import Deployment, Wanted
from apps.deployments.replicas import Replica, ReplicaState

WAITING = frozenset({ReplicaState.PENDING, ReplicaState.NEGOTIATING})
ENDED = frozenset({ReplicaState.STOPPED, ReplicaState.FAILED})


class DeploymentStatus(models.TextChoices):
    STOPPED = "stopped", "Stopped"
    """Nothing of it runs, as wanted."""
    STOPPING = "stopping", "Stopping"
    """Its Bees are stopping it."""
    IDLE = "idle", "Idle"
    """Wanted, with no replica in any service."""
    FAILED = "failed", "Failed"
    """Replicas were given up and none is healthy."""
    DEGRADED = "degraded", "Degraded"
    """Some replicas serve, others have failed or are unhealthy."""
    UNHEALTHY = "unhealthy", "Unhealthy"
    """What runs fails its health check."""
    WAITING = "waiting", "Waiting"
    """For budget, or for a node at the right price."""
    STARTING = "starting", "Starting"
    """Bees prepare and start it, or stop what is no longer wanted."""
    HEALTHY = "healthy", "Healthy"
    """Every replica is."""


States = Collection[str]

PRIORITY: list[tuple[DeploymentStatus, Callable[[States], bool]]] = [
    (DeploymentStatus.IDLE, lambda states: not states),
    (
        DeploymentStatus.FAILED,
        lambda states: ReplicaState.FAILED in states and ReplicaState.HEALTHY not in states,
    ),
    (DeploymentStatus.DEGRADED, lambda states: ReplicaState.FAILED in states),
    (
        DeploymentStatus.DEGRADED,
        lambda states: ReplicaState.UNHEALTHY in states and ReplicaState.HEALTHY in states,
    ),
    (DeploymentStatus.UNHEALTHY, lambda states: ReplicaState.UNHEALTHY in states),
    (DeploymentStatus.WAITING, lambda states: bool(WAITING & set(states))),
    (DeploymentStatus.STARTING, lambda states: set(states) != {ReplicaState.HEALTHY}),
    (DeploymentStatus.HEALTHY, lambda states: True),
]
"""The first that holds is the status of a deployment that should run."""


def status_of(deployment: Deployment) -> DeploymentStatus:
    """Uses prefetched `services__replicas` where there are any."""
    wanted: list[str] = []
    others: list[str] = []
    for service in deployment.services.all():
        for replica in service.replicas.all():
            (wanted if replica.index <= service.replicas_wanted else others).append(_counts_as(replica))
    return derive(deployment.wanted, wanted=wanted, others=others)


def _counts_as(replica: Replica) -> str:
    """One that serves well, but not yet what its service says now, is still to come."""
    outdated = replica.state == ReplicaState.HEALTHY and replica.is_outdated
    return ReplicaState.STARTING if outdated else replica.state


def derive(wanted_state: str, *, wanted: States, others: States = ()) -> DeploymentStatus:
    """Pure. `wanted` are the states of the replicas it should have, `others` of those scaled away."""
    if wanted_state == Wanted.STOPPED:
        gone = ENDED.issuperset([*wanted, *others])
        return DeploymentStatus.STOPPED if gone else DeploymentStatus.STOPPING
    return next(status for status, holds in PRIORITY if holds(wanted))
