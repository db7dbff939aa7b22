"""The one seam between the agent and what runs a replica.

A runtime keeps no state of its own: what runs is described by a `Run`, and `adopt` finds every `Run` of this
node on the machine again, so that an agent which was killed starts nothing twice and loses nothing.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec

from agent.gpus import Gpu
from agent.protocol import Assignment, Workload

GIB = 1 << 30


class RuntimeFault(Exception):
    """The replica can't be run now; the text is shown to the team that rents."""


class ImageMissing(RuntimeFault):
    """The image can't be had; perhaps later."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a runtime needs to start one replica."""

    assignment: Assignment
    node_id: str
    advertise: str
    lease_until_s: float
    """On the clock of `agent.clock.boot_s`."""
    judged: frozenset[str] | None = None
    """Digests of the image that the owner's rules were asked about: no other may be started. None: they have
    nothing to ask of images."""


def storage_of(workload: Workload, otherwise_bytes: int) -> int:
    """The most that it may write, in bytes: what it rents, else what the owner lets any replica write."""
    return int(workload.storage_gib * GIB) if workload.storage_gib > 0 else otherwise_bytes


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One start of one assignment: a process tree or a container."""

    run_id: str
    assignment_id: str
    agreement_id: str
    runtime: str
    endpoint: str = ""
    """`host:port` for the edge; empty when the workload has no port."""
    detail: dict[str, str | int] = {}
    """The runtime's own: process ids, folders."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    alive: bool
    paused: bool = False
    reason: str = ""
    """Why it ended, when it did: `exited with status 1`."""
    ended_s: float | None = None
    """When it ended, on the boot clock, if that is known."""


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What one run has used since it started."""

    cpu_ms: int = 0
    egress_bytes: int = 0

    def at_least(self, other: Counters) -> Counters:
        """Counters never fall, even if a reading does because a process was just being reaped."""
        return Counters(
            cpu_ms=max(self.cpu_ms, other.cpu_ms), egress_bytes=max(self.egress_bytes, other.egress_bytes)
        )


class Terminal(Protocol):
    """A shell inside a replica, as bytes."""

    async def read(self) -> bytes:
        """The next output; empty at the end."""
        ...

    async def write(self, data: bytes) -> None: ...

    async def resize(self, columns: int, rows: int) -> None: ...

    async def wait(self) -> int:
        """The shell's exit status, once it has ended."""
        ...

    async def close(self) -> None:
        """End it if it still runs, and let go of everything it holds."""
        ...


@runtime_checkable
class Forwarding(Protocol):
    """A runtime where something else takes up a connection first, and then tries to reach the replica."""

    async def has_answered(self, run: Run) -> bool:
        """Whether the replica itself has taken up a connection to its endpoint that is open now."""
        ...


@runtime_checkable
class Accelerated(Protocol):
    """A runtime that gives GPUs, each to one replica at a time."""

    gpus: list[Gpu]


class Runtime(Protocol):
    """Every call may raise RuntimeFault."""

    name: str
    version: str

    def confines_console(self, run: Run) -> bool:
        """True where a shell inside this replica can't reach what belongs to the machine's owner."""
        ...

    async def self_test(self) -> None:
        """Run something small, just as a replica would be run. Raises RuntimeFault with what did not work."""
        ...

    async def prepare(self, workload: Workload) -> None:
        """Get the image. Raises ImageMissing with the reason."""
        ...

    async def image_digests(self, workload: Workload, *, sha3: bool) -> set[str]:
        """Every digest of the prepared image that `start` would run, such as "sha256:...".

        With `sha3` also "sha3-256:...", which an engine may have to read the whole image for.
        """
        ...

    async def start(self, order: Order) -> Run: ...

    async def renew(self, run: Run, lease_until_s: float) -> None:
        """Tell whatever guards the run's lease while the agent is away."""
        ...

    async def status(self, run: Run) -> Status: ...

    async def usage(self, run: Run) -> Counters:
        """Also right after the run has ended, until `remove`."""
        ...

    async def stop(self, run: Run, grace_s: float) -> None:
        """SIGTERM, then SIGKILL after `grace_s`; returns when nothing of it runs."""
        ...

    async def pause(self, run: Run) -> None:
        """Freeze it: it keeps its memory and gets no CPU. Pausing twice is pausing once."""
        ...

    async def resume(self, run: Run) -> None: ...

    async def logs(self, run: Run, tail: int) -> bytes:
        """The last `tail` lines of what it wrote, both streams together in the order they came."""
        ...

    async def logs_after(self, run: Run, mark: str, tail: int) -> tuple[bytes, str]:
        """Whole lines written since an earlier call gave `mark`, and the new mark; its last lines for "".

        No line is told twice, however alike two of them are. A mark that can't be read counts as none.
        """
        ...

    async def remove(self, run: Run) -> None:
        """Forget a run that has ended: its folder, its container."""
        ...

    async def execute(self, run: Run, command: list[str], timeout_s: float) -> int:
        """Exit status of a command inside the replica."""
        ...

    async def terminal(self, run: Run, command: str | None, columns: int, rows: int) -> Terminal:
        """A shell, or `command` run by a shell, on a terminal of its own."""
        ...

    async def adopt(self) -> list[Run]:
        """Everything of this node that is there, running or ended."""
        ...
