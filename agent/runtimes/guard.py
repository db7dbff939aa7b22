"""The guard of one native replica: a small process between the agent and the payload.

    python -I -S guard.py FOLDER        run FOLDER/spec.json, guard it, write how it ended to FOLDER/end.json
    python -I -S guard.py --shell SPEC  become a shell (or what its one argument says) on the terminal that is
                                        standard input, with the replica's user, limits, folder and variables
    python -I -S guard.py --run SPEC    become the command in the arguments, the same way, without a terminal

It does for a process what containerd's shim does for a container: the agent may be killed and come back
while the payload runs on, and yet no payload outlives its lease, because the guard reads FOLDER/lease and
ends the whole tree when it has run out. It is the subreaper of its tree, so it can end and account for every
process of it, however it forked. If the guard itself is killed, the kernel kills the payload
(PR_SET_PDEATHSIG).

Standard library only, and started without site: it has to be small (9 MB) and quick (20 ms).
See docs/decisions/0030-guard-per-native-replica.md.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import proctree  # type: ignore[import-not-found]

TYPE_CHECKING = False  # as the `typing` module has it, which costs 5 ms to import
if TYPE_CHECKING:
    from typing import Any, NoReturn

    Spec = dict[str, Any]

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38
_WATCH_S = 0.5
_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> int:
    if arguments[0] == "--shell":
        become_shell(read_json(arguments[1]), arguments[2:])
    if arguments[0] == "--run":
        become_command(read_json(arguments[1]), arguments[2:])
    return guard(arguments[0])


# -- guarding ---------------------------------------------------------------------------------------------


def guard(folder: str) -> int:
    spec = read_json(os.path.join(folder, "spec.json"))
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    guard_pid, (started, starting) = os.getpid(), os.pipe()
    payload = os.fork()
    if payload == 0:
        start_payload(spec, folder, guard_pid)
    os.close(starting)
    os.read(started, 1)  # ends when the payload's exec closes the other end: from there on it is confined
    write_json(
        os.path.join(folder, "run.json"),
        {
            **spec["run"],
            "guard_pid": os.getpid(),
            "guard_started": proctree.started_ticks(os.getpid()),
            "payload_pid": payload,
        },
    )
    status, reason = watch(payload, spec, folder)
    end_tree()
    write_json(
        os.path.join(folder, "end.json"),
        {"reason": reason or explain(status), "cpu_ms": proctree.cpu_ms(os.getpid()), "ended_s": boot_s()},
    )
    return 0


def watch(payload: int, spec: Spec, folder: str) -> tuple[int | None, str]:
    """Until the payload ends, the lease runs out, memory is used up or we are told: (wait status, reason)."""
    signals = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
    while True:
        arrived = signal.sigtimedwait(signals, _WATCH_S)
        status = reap(payload)
        if status is not None:
            return status, ""
        if arrived and arrived.si_signo != signal.SIGCHLD:
            return stop(payload, read_number(os.path.join(folder, "grace"), spec["grace_s"])), "stopped"
        if boot_s() >= read_number(os.path.join(folder, "lease"), 0.0):
            return stop(payload, spec["grace_s"]), "its lease ran out"
        used = proctree.resident_bytes(os.getpid())
        if used > spec["mem_bytes"]:
            return None, f"used {used >> 20} MiB of memory, {spec['mem_bytes'] >> 20} MiB are rented"


def stop(payload: int, grace_s: float) -> int | None:
    """SIGTERM to the payload's group, and time to obey; what is paused wakes up to hear it."""
    signal_group(payload, signal.SIGTERM)
    proctree.thaw(os.getpid())
    give_up_at = boot_s() + grace_s
    while boot_s() < give_up_at:
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)
        status = reap(payload)
        if status is not None:
            return status
    return None


def end_tree() -> None:
    """SIGKILL to everything below us until nothing is left; what forks meanwhile is met in the next round."""
    while left := proctree.descendants(os.getpid()):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reap(None)
        time.sleep(0.005)
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


def explain(status: int | None) -> str:
    if status is None:
        return "killed: it did not stop in time"
    code = os.waitstatus_to_exitcode(status)
    return f"exited with status {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


# -- confining --------------------------------------------------------------------------------------------


def start_payload(spec: Spec, folder: str, guard_pid: int) -> NoReturn:
    """In the child: never returns."""
    try:
        os.setsid()
        log = os.open(os.path.join(folder, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        confine(spec)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guard_pid:
            os._exit(1)  # it died before the line above
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execvpe(spec["command"][0], spec["command"], spec["env"])
    except BaseException as error:
        os.write(2, f"{spec['command'][0]}: {error}\n".encode())
        os._exit(127)


def confine(spec: Spec) -> None:
    """The user, the limits and the folder of the replica; for its payload and for each shell into it."""
    os.sched_setaffinity(0, spec["cpus"])
    for name, limit in spec["limits"].items():
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(number, (limit, limit))
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if spec["uid"] is not None:
        os.setgroups([])
        os.setgid(spec["uid"])
        os.setuid(spec["uid"])
    os.umask(0o077)
    os.chdir(spec["cwd"])


def become_shell(spec: Spec, command: list[str]) -> NoReturn:
    """Standard input is a terminal's end; it becomes the controlling terminal of a session of its own."""
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if spec["uid"] is not None:
        os.fchown(0, spec["uid"], -1)  # programs open their terminal by name too
    confine(spec)
    shell = ["/bin/sh", "-c", *command] if command else ["/bin/sh", "-i"]
    os.execve(shell[0], shell, {**spec["env"], "TERM": "xterm-256color", "PS1": "$ "})


def become_command(spec: Spec, command: list[str]) -> NoReturn:
    confine(spec)
    os.execvpe(command[0], command, spec["env"])


# -- small things -----------------------------------------------------------------------------------------


def boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read_json(path: str) -> Spec:
    with open(path) as file:
        return json.load(file)


def write_json(path: str, content: Spec) -> None:
    draft = path + ".new"
    with open(draft, "w") as file:
        json.dump(content, file)
    os.replace(draft, path)


def read_number(path: str, otherwise: float) -> float:
    try:
        with open(path) as file:
            return float(file.read())
    except (OSError, ValueError):
        return otherwise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
