"""The guard of one native replica: a small process between the agent and the payload.

    guard.py FOLDER            run FOLDER/spec.json, guard it, write how it ended to FOLDER/end.json
    guard.py --shell FOLDER    become a shell (or what its one argument says) on the terminal that is
                               standard input, inside the replica
    guard.py --run FOLDER      become the command in the arguments, the same way, without a terminal

It does for a process what containerd's shim does for a container: the agent may be killed and come back
while the payload runs on, and yet no payload outlives its lease, because the guard reads FOLDER/lease and
ends the whole tree when it has run out. It is the subreaper of its tree, so it can end and account for every
process of it, however it forked. If the guard itself is killed, the kernel kills the payload
(PR_SET_PDEATHSIG).

Standard library only, and started without site (`python -I -S`): it has to be small (9 MB) and quick (20 ms).
See docs/decisions/0030-guard-per-native-replica.md.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cgroups  # type: ignore[import-not-found]
import inside  # type: ignore[import-not-found]
import proctree  # type: ignore[import-not-found]
import watching  # type: ignore[import-not-found]

TYPE_CHECKING = False  # as the `typing` module has it, which costs 5 ms to import
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]

_WATCH_S = 0.5
_KILLING_STEP_S = 0.005
_FATAL = (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGBUS, signal.SIGXFSZ)
"""Those that bubblewrap's exit status is read for: it tells a signal as a shell does, 128 higher."""


def main(arguments: list[str]) -> int:
    if arguments[0] == "--shell":
        inside.become_shell(read_json(arguments[1], "spec.json"), *the_sandbox(arguments[1]), arguments[2:])
    if arguments[0] == "--run":
        inside.become_command(read_json(arguments[1], "spec.json"), *the_sandbox(arguments[1]), arguments[2:])
    return guard(arguments[0])


def the_sandbox(folder: str) -> tuple[int, int]:
    """The first process behind a replica's walls, and when it began."""
    detail = read_json(folder, "run.json")["detail"]
    return detail["inside_pid"], detail["inside_started"]


def guard(folder: str) -> int:
    spec = read_json(folder, "spec.json")
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    inside.prctl(inside.PR_SET_CHILD_SUBREAPER, 1)
    start = inside.start(spec, folder)
    found = {
        "guard_pid": os.getpid(),
        "guard_started": proctree.started_ticks(os.getpid()),
        "payload_pid": start.payload_pid,
        "inside_pid": start.inside_pid,
        "inside_started": proctree.started_ticks(start.inside_pid) or 0,
    }
    write_json(folder, "run.json", {**spec["run"], "detail": {**spec["run"]["detail"], **found}})
    status, reason = watch(start, spec, folder)
    end_tree(spec)
    end = {"reason": reason or explain(status, spec), "cpu_ms": cpu_ms(spec), "ended_s": boot_s()}
    write_json(folder, "end.json", end)
    cgroups.remove(spec["cgroup"])
    return 0


def watch(start: inside.Start, spec: Spec, folder: str) -> tuple[int | None, str]:
    """Until it ends, its lease runs out, it breaks a limit or we are told: (wait status, reason)."""
    signals = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
    limits = watching.Limits(spec, folder)
    while True:
        arrived = signal.sigtimedwait(signals, _WATCH_S)
        status = reap(start.pid)
        if status is not None:
            return status, limits.memory()
        if arrived and arrived.si_signo != signal.SIGCHLD:
            return stop(start, spec, read_number(folder, "grace", spec["grace_s"])), "stopped"
        if boot_s() >= read_number(folder, "lease", 0.0):
            return stop(start, spec, spec["grace_s"]), "its lease ran out"
        if reason := limits.broken():
            return None, reason
        watching.keep_short(os.path.join(folder, "log"))


def stop(start: inside.Start, spec: Spec, grace_s: float) -> int | None:
    """Its power button or SIGTERM, and time to obey; what is paused wakes up to hear it."""
    pressed = press_power_button(spec)
    if not pressed:
        signal_group(start.group, signal.SIGTERM)
    cgroups.thaw(spec["cgroup"])
    proctree.thaw(os.getpid())
    give_up_at = boot_s() + grace_s
    while boot_s() < give_up_at:
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)
        status = reap(start.pid)
        if status is not None:
            return status
    return None


def press_power_button(spec: Spec) -> Any:
    """The connection by which a virtual machine was asked to end: QEMU listens while it is open. Or None."""
    if not spec["power_button"]:
        return None
    import own_socket  # type: ignore[import-not-found]

    path, owner = os.path.join(spec["cwd"], spec["power_button"]), spec["uid"]
    try:
        line = own_socket.connected(path, os.geteuid() if owner is None else owner)
        line.send(b'{"execute": "qmp_capabilities"} {"execute": "system_powerdown"}')
    except OSError:
        return None
    return line


def end_tree(spec: Spec) -> None:
    """SIGKILL to everything below us until nothing is left; what forks meanwhile is met in the next round."""
    while left := {*proctree.descendants(os.getpid()), *cgroups.processes(spec["cgroup"])}:
        cgroups.kill(spec["cgroup"], list(left))
        reap(None)
        time.sleep(_KILLING_STEP_S)
    reap(None)


def reap(payload: int | None) -> int | None:
    """Wait for what has ended, orphans too, so that their time counts. The payload's status, if it has."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == payload:
            found = status


def signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def cpu_ms(spec: Spec) -> int:
    counted = cgroups.cpu_ms(spec["cgroup"])
    return proctree.cpu_ms(os.getpid()) if counted is None else counted


def explain(status: int | None, spec: Spec) -> str:
    if status is None:
        return "killed: it did not stop in time"
    code = os.waitstatus_to_exitcode(status)
    if spec["walls"] and code - 128 in _FATAL:
        code = 128 - code
    if code == -signal.SIGXFSZ:
        return (
            f"killed: a file of it grew beyond the {spec['storage_bytes'] >> 20} MiB of disk that are rented"
        )
    return f"exited with status {code}" if code >= 0 else f"killed by {name_of(-code)}"


def name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


# -- small things -----------------------------------------------------------------------------------------


def boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read_json(folder: str, name: str) -> Spec:
    with open(os.path.join(folder, name)) as file:
        return json.load(file)


def write_json(folder: str, name: str, content: Spec) -> None:
    path = os.path.join(folder, name)
    with open(path + ".new", "w") as file:
        json.dump(content, file)
    os.replace(path + ".new", path)


def read_number(folder: str, name: str, otherwise: float) -> float:
    try:
        with open(os.path.join(folder, name)) as file:
            return float(file.read())
    except (OSError, ValueError):
        return otherwise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
