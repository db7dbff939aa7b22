"""Which replicas a node should run, and what becomes of each."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from agent.protocol.base import CENTURY_S, Count, Id, Part, Word
from agent.protocol.workload import Workload


class Assignment(Part):
    """One generation of one replica, to be run for as long as the lease lasts and no longer."""

    assignment_id: Id
    agreement_id: str
    replica: Word
    """Name shown to people and given to the payload as HIVE_REPLICA: `web-1`."""
    generation: Count
    lease_s: Annotated[float, Meta(ge=-CENTURY_S, le=CENTURY_S)]
    """Seconds from sending; the Bee stops the replica when it has run out (fencing); below 0 it has."""
    workload: Workload


class RunState(StrEnum):
    PREPARING = "preparing"
    STARTING = "starting"
    RUNNING = "running"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class ObservedAssignment(Part):
    assignment_id: str
    generation: int
    state: RunState
    reason: str = ""
    endpoint: str = ""
    """`host:port` where the edge reaches the replica; empty until it listens."""
    retry_s: float | None = None
    restarts: int = 0
