"""The nouns of converging: what the Bee knows of an assignment, what can happen, and what can be done.

Every `..._at` and lease is in seconds on the boot clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.protocol import Assignment, HealthCheck, RunState
from agent.runtimes.base import Run

TCP = HealthCheck()


@dataclass(frozen=True, slots=True)
class Slot:
    """One assignment on this Bee."""

    assignment: Assignment
    lease_until: float
    lease_kept: float = 0.0
    """The end of the lease as it was last written down."""
    wanted: bool = True
    refusal: str = ""
    """Why the owner's rules forbid it; such a slot never starts."""
    state: RunState = RunState.PREPARING
    reason: str = ""
    busy: bool = False
    """A start or a stop is under way."""
    probing: bool = False
    run: Run | None = None
    paused: bool = False
    """The run is frozen."""
    freeze_at: float = 0.0
    """When to try again what could not be frozen, or woken."""
    started_at: float = 0.0
    healthy_at: float | None = None
    """Since when it has been healthy without a break."""
    probe_at: float = 0.0
    retry_at: float | None = None
    misses: int = 0
    """Failed probes in a row."""
    crashes: int = 0
    restarts: int = 0
    ended_at: float | None = None
    finished: bool = False
    """Its metering is closed."""

    @property
    def id(self) -> str:
        return self.assignment.assignment_id

    @property
    def health(self) -> HealthCheck | None:
        workload = self.assignment.workload
        return workload.health or (TCP if workload.port else None)


@dataclass(frozen=True, slots=True)
class State:
    slots: Mapping[str, Slot] = field(default_factory=dict)
    heard: bool = False
    """The Queen has spoken since this agent started; before that nothing new is started."""
    leaving: bool = False
    """The owner wants everything stopped."""
    paused: bool = False
    """The owner wants the machine for a while: what runs is frozen, and nothing starts."""


# -- what happens -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WantedSet:
    """The Queen's complete set, with what the owner's rules say against an assignment."""

    assignments: list[Assignment]
    refusals: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Adopted:
    """Found at start: given before by the Queen, with the run that is still there, if any."""

    assignment: Assignment
    lease_until: float
    run: Run | None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    assignment_id: str
    run: Run


@dataclass(frozen=True, slots=True)
class StartFailed:
    assignment_id: str
    reason: str
    state: RunState
    """PREPARING when the image can't be had, STARTING when the runtime failed, FAILED when trying again
    is no use.
    """


@dataclass(frozen=True, slots=True)
class Probed:
    """A run that lives and what its health check says; `problem` is empty when it passed."""

    assignment_id: str
    run_id: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run is gone: by itself, or because it was stopped."""

    assignment_id: str
    run_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """A run is over, or should be, and its runtime can't end it yet; nobody probes it meanwhile."""

    assignment_id: str
    run_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Stop everything; the agent is going."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Whether the owner wants the machine for a while."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Frozen:
    """A run was frozen, or woken; `problem` when it could not be."""

    assignment_id: str
    run_id: str
    frozen: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Forbid:
    """From now on the owner's rules are against everything that there is here."""

    reason: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


OfSlot = Started | StartFailed | Probed | Frozen | Stuck | Ended
Event = WantedSet | Adopted | OfSlot | Leave | Pause | Forbid | Tick


# -- what to do about it ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    assignment: Assignment
    lease_until: float


@dataclass(frozen=True, slots=True)
class Stop:
    run: Run
    grace_s: float


@dataclass(frozen=True, slots=True)
class Freeze:
    run: Run
    frozen: bool
    """False: wake it."""


@dataclass(frozen=True, slots=True)
class Probe:
    run: Run
    health: HealthCheck | None


@dataclass(frozen=True, slots=True)
class Renew:
    """Leases moved: write them down. The slots are in the state."""


@dataclass(frozen=True, slots=True)
class Finish:
    """It will never run here again: its last usage is final."""

    assignment: Assignment


Effect = Start | Stop | Freeze | Probe | Renew | Finish
