"""What the runtimes of this machine's own programs share: a payload under a guard, between walls.

A runtime adds what the payload is (`payload`) and where its image comes from (`prepare`). It gets: a work
folder and a guard that outlive the agent, the tree's end when its lease ends, a user, limits and CPUs of its
own (see `confinement.py`), usage that the kernel counted, pause and resume, logs, commands and shells inside.
Egress is not counted: without a network of its own a process can't be told from its neighbours, so it
reports 0 bytes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from agent import clock
from agent.protocol import Workload
from agent.runtimes import catalogue
from agent.runtimes.base import Counters, Order, Run, RuntimeFault, Status, Terminal, storage_of
from agent.runtimes.guarded import bubblewrap, cgroups, confinement, following, proctree, work_folder
from agent.runtimes.guarded.pseudo_terminal import open_pseudo_terminal
from agent.runtimes.guarded.work_folder import folder_of

log = logging.getLogger("hive.agent")

_GUARD = Path(__file__).with_name("guard.py")
_GUARD_COMMAND = [sys.executable, "-I", "-S", str(_GUARD)]
DEFAULT_STORAGE_BYTES = 10 << 30
_PATIENCE_S = 5.0
_STEP_S = 0.01


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What a runtime wants to have run for one replica."""

    command: list[str]
    env: dict[str, str]
    reads: list[Path]
    """What it must be able to read besides the system's own folders."""
    devices: list[str] = []
    overhead_bytes: int = 0
    """Memory the runtime itself needs, on top of what is rented."""
    power_button: str = ""
    """Socket in its folder `files` by which it is asked to end (QMP), where SIGTERM would end it at once."""
    sandboxed: bool = True
    """False: it brings its own walls, and gets user, limits and CPUs only."""


class Guarded:
    name: str
    version: str

    def __init__(self, home: Path, *, storage_bytes: int = DEFAULT_STORAGE_BYTES) -> None:
        """`storage_bytes` is what a replica may hold on disk that rents none of its own."""
        self._storage_bytes = storage_bytes
        self._images = home / "images"
        self._work = home / "work" / self.name
        self._work.mkdir(parents=True, exist_ok=True)
        for folder in (self._work.parent, self._work):
            folder.chmod(0o711)
        self._guards: dict[str, subprocess.Popen[bytes]] = {}
        """Those started by this very agent, to be waited for; adopted ones are waited for by init."""

    # -- what a runtime adds --------------------------------------------------------------------------------

    async def prepare(self, workload: Workload) -> None:
        """Raises ImageMissing with the reason."""
        raise NotImplementedError

    def payload(self, order: Order, folder: Path, port: int | None) -> Payload:
        """Called in a thread; `folder/files` is the replica's own. Raises RuntimeFault."""
        raise NotImplementedError

    # -- what they share ------------------------------------------------------------------------------------

    async def image_digests(self, workload: Workload, *, sha3: bool) -> set[str]:
        """Those of the image's folder in the owner's catalogue, always by both algorithms."""
        return await asyncio.to_thread(catalogue.digests, self._images, workload.image)

    def confines_console(self, run: Run) -> bool:
        """Only where this very run has walls or a user of its own: it depends on its image, too."""
        spec = work_folder.read_spec(folder_of(run))
        return bool(spec.get("walls")) or spec.get("uid") is not None

    async def start(self, order: Order) -> Run:
        if order.assignment.workload.gpus:
            raise RuntimeFault(f"runtime {self.name} gives no GPUs: docker does")
        folder = self._folder_for(order.assignment.assignment_id)
        try:
            await asyncio.to_thread(self._lay_out, order, folder)
            return await self._launch(folder, order.node_id)
        except (RuntimeFault, OSError) as error:
            await asyncio.to_thread(_clear, folder)
            if isinstance(error, RuntimeFault):
                raise
            raise RuntimeFault(f"its work folder can't be made: {error}") from error

    def _folder_for(self, assignment_id: str) -> Path:
        """Directly under the work folder: what lies there is emptied before a start and after an end.

        The protocol lets no other name through; a runtime that deletes folders does not take its word for it.
        """
        folder = self._work / assignment_id
        if folder.parent != self._work or folder.name == ".." or "\0" in assignment_id:
            raise RuntimeFault(f"assignment {assignment_id!r} can't name a folder")
        return folder

    def _lay_out(self, order: Order, folder: Path) -> None:
        workload = order.assignment.workload
        port = free_port(order.advertise) if workload.port else None
        run = Run(
            run_id=uuid.uuid4().hex,
            assignment_id=order.assignment.assignment_id,
            agreement_id=order.assignment.agreement_id,
            runtime=self.name,
            endpoint=f"{order.advertise}:{port}" if port else "",
            detail={"folder": str(folder), "boot_id": clock.boot_id()},
        )
        work_folder.make(folder)
        payload = self.payload(order, folder, port)
        spec = self._spec(run, order, payload)
        spec["env"] = payload.env | _variables(order, port, folder / "files", walls=bool(spec["walls"]))
        work_folder.write_spec(folder, spec, order.lease_until_s)

    def _spec(self, run: Run, order: Order, payload: Payload) -> dict[str, Any]:
        workload, folder = order.assignment.workload, folder_of(run)
        rented_bytes = int(workload.mem_gib * (1 << 30))
        mem_bytes = rented_bytes + payload.overhead_bytes
        storage_bytes = storage_of(workload, self._storage_bytes)
        walled = payload.sandboxed and not _lack_of_walls()
        needed = payload.reads if walled else [self._work, *payload.reads]
        own_user = confinement.gives_own_user(needed, walls=walled)
        uid = confinement.own_uid(run.assignment_id) if own_user else None
        groups = confinement.groups(payload.devices)
        return {
            "run": msgspec.to_builtins(run),
            "command": payload.command,
            "cwd": str(folder / "files"),
            "uid": uid,
            "groups": groups,
            "walls": _walls(folder, payload, uid, groups, order.assignment.replica) if walled else [],
            "cgroup": confinement.control_group(run.assignment_id, mem_bytes, workload.cpu_threads),
            "cpus": confinement.cpus(run.assignment_id, workload.cpu_threads),
            "limits": confinement.limits(own_user=own_user, storage_bytes=storage_bytes),
            "mem_bytes": mem_bytes,
            "rented_bytes": rented_bytes,
            "storage_bytes": storage_bytes,
            "grace_s": workload.stop_grace_s,
            "power_button": payload.power_button,
        }

    async def _launch(self, folder: Path, node_id: str) -> Run:
        # HIVE_NODE in its environment tells whoever cleans up after a Bee whose guard this is.
        environment = {"PATH": os.defpath, "HIVE_NODE": node_id}
        with (folder / "guard.log").open("ab") as log:
            guard = subprocess.Popen(
                [*_GUARD_COMMAND, str(folder)],
                env=environment,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        for _ in range(int(_PATIENCE_S / _STEP_S)):
            if (run := work_folder.read_run(folder)) is not None:
                self._guards[run.run_id] = guard
                return run
            if guard.poll() is not None:
                break
            await asyncio.sleep(_STEP_S)
        guard.kill()
        guard.wait()
        said = work_folder.last_word(folder / "guard.log")
        raise RuntimeFault(f"its guard did not start: {said or 'no word from it'}")

    async def renew(self, run: Run, lease_until_s: float) -> None:
        work_folder.write_number(folder_of(run) / "lease", lease_until_s)

    async def status(self, run: Run) -> Status:
        folder = folder_of(run)
        if _is_alive(run):
            return Status(alive=True, paused=(folder / "paused").exists())
        end = work_folder.read_end(folder)
        said = work_folder.last_word(folder / "log")
        reason = str(end.get("reason", "killed together with its guard"))
        return Status(alive=False, reason=f"{reason}: {said}" if said else reason, ended_s=end.get("ended_s"))

    async def usage(self, run: Run) -> Counters:
        counted = cgroups.cpu_ms(_group(run))
        if counted is None:
            counted = work_folder.read_end(folder_of(run)).get("cpu_ms")
        if counted is None:
            counted = proctree.cpu_ms(_guard_pid(run)) if _is_alive(run) else 0
        return Counters(cpu_ms=int(counted))

    async def pause(self, run: Run) -> None:
        if _is_alive(run):
            (folder_of(run) / "paused").touch()
            await asyncio.to_thread(_freeze, run)

    async def resume(self, run: Run) -> None:
        if _is_alive(run):
            await asyncio.to_thread(_thaw, run)
        (folder_of(run) / "paused").unlink(missing_ok=True)

    async def logs(self, run: Run, tail: int) -> bytes:
        return await asyncio.to_thread(work_folder.last_lines, folder_of(run) / "log", tail)

    async def logs_after(self, run: Run, mark: str, tail: int) -> tuple[bytes, str]:
        return await asyncio.to_thread(following.lines_after, folder_of(run) / "log", mark, tail)

    async def stop(self, run: Run, grace_s: float) -> None:
        with suppress(OSError):  # a full disk: it gets the time that its workload has
            work_folder.write_number(folder_of(run) / "grace", grace_s)
        _signal_guard(run, signal.SIGTERM)
        give_up_at = clock.boot_s() + grace_s + _PATIENCE_S
        while _is_alive(run):
            if clock.boot_s() > give_up_at:
                _signal_guard(run, signal.SIGKILL)
            await asyncio.sleep(_STEP_S)

    async def remove(self, run: Run) -> None:
        if guard := self._guards.pop(run.run_id, None):
            guard.wait()
        await asyncio.to_thread(_clear, folder_of(run))

    async def execute(self, run: Run, command: list[str], timeout_s: float) -> int:
        _may_enter(run)
        process = await asyncio.create_subprocess_exec(
            *_GUARD_COMMAND,
            "--run",
            str(folder_of(run)),
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(timeout_s):
                return await process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    async def terminal(self, run: Run, command: str | None, columns: int, rows: int) -> Terminal:
        _may_enter(run)
        shell = [*_GUARD_COMMAND, "--shell", str(folder_of(run)), *([command] if command else [])]
        return open_pseudo_terminal(shell, columns, rows)

    async def adopt(self) -> list[Run]:
        found = []
        for folder in self._work.iterdir():
            run = await _await_run(folder)
            if run is None:
                await asyncio.to_thread(_clear, folder)
            else:
                found.append(run)
        return found


def free_port(host: str) -> int:
    """A port that nobody listens on now. A race lost is a crash, and the next start takes another."""
    with socket.create_server(("" if host not in ("127.0.0.1", "localhost") else "127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _variables(order: Order, port: int | None, files: Path, *, walls: bool) -> dict[str, str]:
    own = {
        "PATH": os.defpath,
        "HOME": str(files),
        "TMPDIR": "/tmp" if walls else str(files),
        "HIVE_REPLICA": order.assignment.replica,
        "HIVE_NODE": order.node_id,
        "HIVE_GENERATION": str(order.assignment.generation),
    }
    return own | ({"PORT": str(port)} if port else {})


def _walls(folder: Path, payload: Payload, uid: int | None, groups: list[int], hostname: str) -> list[str]:
    bubblewrap.lay_out(folder, uid)
    return bubblewrap.walls(
        folder=folder,
        reads=payload.reads,
        uid=uid,
        devices=payload.devices,
        groups=groups,
        hostname=hostname,
    )


@cache
def _lack_of_walls() -> str:
    if problem := bubblewrap.problem():
        log.warning("native replicas run without walls, by user and limits alone: %s", problem)
    return problem


def _clear(folder: Path) -> None:
    """What is left of a replica: its group with whatever still runs in it, and its folder."""
    confinement.leave_no_group(folder.name)
    work_folder.remove(folder)


def _group(run: Run) -> cgroups.Group:
    return dict(work_folder.read_spec(folder_of(run)).get("cgroup", {}))


def _freeze(run: Run) -> None:
    if not cgroups.freeze(_group(run)):
        proctree.freeze(_guard_pid(run))


def _thaw(run: Run) -> None:
    cgroups.thaw(_group(run))
    proctree.thaw(_guard_pid(run))


def _guard_pid(run: Run) -> int:
    return int(run.detail["guard_pid"])


def _is_alive(run: Run) -> bool:
    """The guard lives and is the very process that was started: pids come round again, also after a boot."""
    same_boot = run.detail["boot_id"] == clock.boot_id()
    return same_boot and proctree.started_ticks(_guard_pid(run)) == run.detail["guard_started"]


def _may_enter(run: Run) -> None:
    """What goes into a paused replica would stand still there, and whoever waits for it, too."""
    if not _is_alive(run):
        raise RuntimeFault("the replica has ended")
    if (folder_of(run) / "paused").exists():
        raise RuntimeFault("the replica is paused by the bee's owner")


def _signal_guard(run: Run, number: signal.Signals) -> None:
    if _is_alive(run):
        with suppress(ProcessLookupError):
            os.kill(_guard_pid(run), number)


async def _await_run(folder: Path) -> Run | None:
    """An agent killed in the middle of a start leaves a guard that is about to write its run."""
    for _ in range(int(1 / _STEP_S)):
        if (run := work_folder.read_run(folder)) is not None or not (folder / "spec.json").exists():
            return run
        await asyncio.sleep(_STEP_S)
    return None
