"""The native-process runtime: programs that the Bee's owner has put into a catalogue, each under a guard.

What a replica gets: a user of its own where the agent is root (see `confinement.py`), a session and process
group, a private work folder, resource limits, as many CPUs as are rented (rounded up), the variables PORT,
HIVE_REPLICA, HIVE_NODE and HIVE_GENERATION, and an end when its lease ends. Egress is not counted: without a
network of its own a process can't be told from its neighbours, so it reports 0 bytes.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from agent import clock
from agent.protocol import Workload
from agent.runtimes import catalogue, confinement, proctree
from agent.runtimes.base import Counters, Order, Run, RuntimeFault, Status, Terminal
from agent.runtimes.pseudo_terminal import open_pseudo_terminal

_GUARD = Path(__file__).with_name("guard.py")
_GUARD_COMMAND = [sys.executable, "-I", "-S", str(_GUARD)]
_PATIENCE_S = 5.0
_STEP_S = 0.01


class ProcessRuntime:
    name = "process"
    version = platform.release()

    def __init__(self, home: Path) -> None:
        self._catalogue = home / "images"
        self._work = home / "work"
        for folder in (self._catalogue, self._work):
            folder.mkdir(parents=True, exist_ok=True)
        self._work.chmod(0o711)
        self._guards: dict[str, subprocess.Popen[bytes]] = {}
        """Those started by this very agent, to be waited for; adopted ones are waited for by init."""

    def confines_console(self, run: Run) -> bool:
        """Only where this very run has a user of its own: it depends on its image, too."""
        try:
            return json.loads((_folder(run) / "spec.json").read_text())["uid"] is not None
        except (OSError, ValueError):
            return False

    async def prepare(self, workload: Workload) -> None:
        catalogue.find(self._catalogue, workload.image)

    async def start(self, order: Order) -> Run:
        workload = order.assignment.workload
        folder = self._work / order.assignment.assignment_id
        image_folder, image = catalogue.find(self._catalogue, workload.image)
        port = free_port(order.advertise) if workload.port else None
        run = Run(
            run_id=uuid.uuid4().hex,
            assignment_id=order.assignment.assignment_id,
            agreement_id=order.assignment.agreement_id,
            runtime=self.name,
            endpoint=f"{order.advertise}:{port}" if port else "",
            detail={"folder": str(folder), "boot_id": clock.boot_id()},
        )
        command = catalogue.command_line(image_folder, image, workload)
        variables = catalogue.environment(image, workload) | _variables(order, port, folder / "files")
        # The owner's words alone: what a team adds to the command must not decide who runs it.
        needed = [self._work, image_folder, *map(Path, command[: len(image.entrypoint)])]
        spec = _spec(run, order, command, variables, _own_uid(run, needed))
        await asyncio.to_thread(_lay_out, folder, spec, order.lease_until_s)
        return await self._launch(folder, order.node_id)

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
            if (run := _read_run(folder)) is not None:
                self._guards[run.run_id] = guard
                return run
            if guard.poll() is not None:
                break
            await asyncio.sleep(_STEP_S)
        guard.kill()
        guard.wait()
        raise RuntimeFault(f"its guard did not start: {_tail(folder / 'guard.log') or 'no word from it'}")

    async def renew(self, run: Run, lease_until_s: float) -> None:
        _write_number(_folder(run) / "lease", lease_until_s)

    async def status(self, run: Run) -> Status:
        if _is_alive(run):
            return Status(alive=True)
        end = _read_end(run)
        said = _tail(_folder(run) / "log")
        reason = str(end.get("reason", "killed together with its guard"))
        return Status(alive=False, reason=f"{reason}: {said}" if said else reason, ended_s=end.get("ended_s"))

    async def usage(self, run: Run) -> Counters:
        if _is_alive(run):
            return Counters(cpu_ms=proctree.cpu_ms(_guard_pid(run)))
        return Counters(cpu_ms=int(_read_end(run).get("cpu_ms", 0)))

    async def stop(self, run: Run, grace_s: float) -> None:
        _write_number(_folder(run) / "grace", grace_s)
        _signal_guard(run, signal.SIGTERM)
        give_up_at = clock.boot_s() + grace_s + _PATIENCE_S
        while _is_alive(run):
            if clock.boot_s() > give_up_at:
                _signal_guard(run, signal.SIGKILL)
            await asyncio.sleep(_STEP_S)

    async def remove(self, run: Run) -> None:
        if guard := self._guards.pop(run.run_id, None):
            guard.wait()
        await asyncio.to_thread(shutil.rmtree, _folder(run), True)

    async def execute(self, run: Run, command: list[str], timeout_s: float) -> int:
        process = await asyncio.create_subprocess_exec(
            *_GUARD_COMMAND,
            "--run",
            str(_folder(run) / "spec.json"),
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
        shell = [*_GUARD_COMMAND, "--shell", str(_folder(run) / "spec.json"), *([command] if command else [])]
        return open_pseudo_terminal(shell, columns, rows)

    async def adopt(self) -> list[Run]:
        found = []
        for folder in self._work.iterdir():
            run = await _await_run(folder)
            if run is None:
                await asyncio.to_thread(shutil.rmtree, folder, True)
            else:
                found.append(run)
        return found


def free_port(host: str) -> int:
    """A port that nobody listens on now. A race lost is a crash, and the next start takes another."""
    with socket.create_server(("" if host not in ("127.0.0.1", "localhost") else "127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# -- what is written for the guard, and what it writes ------------------------------------------------------


def _variables(order: Order, port: int | None, files: Path) -> dict[str, str]:
    own = {
        "PATH": os.defpath,
        "HOME": str(files),
        "TMPDIR": str(files),
        "HIVE_REPLICA": order.assignment.replica,
        "HIVE_NODE": order.node_id,
        "HIVE_GENERATION": str(order.assignment.generation),
    }
    return own | ({"PORT": str(port)} if port else {})


def _own_uid(run: Run, needed: list[Path]) -> int | None:
    there = [path for path in needed if path.is_absolute() and path.exists()]
    return confinement.own_uid(run.assignment_id) if confinement.gives_own_user(there) else None


def _spec(
    run: Run, order: Order, command: list[str], variables: dict[str, str], uid: int | None
) -> dict[str, Any]:
    workload = order.assignment.workload
    return {
        "run": msgspec.to_builtins(run),
        "command": command,
        "env": variables,
        "cwd": str(_folder(run) / "files"),
        "uid": uid,
        "cpus": confinement.cpus(run.assignment_id, workload.cpu_threads),
        "limits": confinement.limits(own_user=uid is not None),
        "mem_bytes": int(workload.mem_gib * (1 << 30)),
        "grace_s": workload.stop_grace_s,
    }


def _lay_out(folder: Path, spec: dict[str, Any], lease_until_s: float) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    files = folder / "files"
    files.mkdir(parents=True)
    folder.chmod(0o711)
    files.chmod(0o700)
    if spec["uid"] is not None:
        os.chown(files, spec["uid"], spec["uid"])
    _write_number(folder / "lease", lease_until_s)
    draft = folder / "spec.json"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(spec))


def _folder(run: Run) -> Path:
    return Path(str(run.detail["folder"]))


def _guard_pid(run: Run) -> int:
    return int(run.detail["guard_pid"])


def _is_alive(run: Run) -> bool:
    """The guard lives and is the very process that was started: pids come round again, also after a boot."""
    same_boot = run.detail["boot_id"] == clock.boot_id()
    return same_boot and proctree.started_ticks(_guard_pid(run)) == run.detail["guard_started"]


def _signal_guard(run: Run, number: signal.Signals) -> None:
    if _is_alive(run):
        with suppress(ProcessLookupError):
            os.kill(_guard_pid(run), number)


def _read_run(folder: Path) -> Run | None:
    """The guard adds its own process id to the run that it was given."""
    try:
        written = json.loads((folder / "run.json").read_text())
    except (OSError, ValueError):
        return None
    guard = {name: written.pop(name) for name in ("guard_pid", "guard_started", "payload_pid")}
    written["detail"] |= guard
    return msgspec.convert(written, Run)


async def _await_run(folder: Path) -> Run | None:
    """An agent killed in the middle of a start leaves a guard that is about to write its run."""
    for _ in range(int(1 / _STEP_S)):
        if (run := _read_run(folder)) is not None or not (folder / "spec.json").exists():
            return run
        await asyncio.sleep(_STEP_S)
    return None


def _read_end(run: Run) -> dict[str, Any]:
    try:
        return dict(json.loads((_folder(run) / "end.json").read_text()))
    except (OSError, ValueError):
        return {}


def _write_number(path: Path, number: float) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(f"{number:.3f}")
    draft.replace(path)


def _tail(path: Path, limit: int = 200) -> str:
    """The last line that says something."""
    with suppress(OSError):
        lines = path.read_bytes()[-2000:].decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[:limit] if lines else ""
    return ""
