"""How a guard puts a process inside its replica: the payload at the start, commands and shells later on.

Standard library only; imported by `guard.py`, which runs without the agent.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import sys
import termios
import time

import cgroups  # type: ignore[import-not-found]
import proctree  # type: ignore[import-not-found]
import seccomp  # type: ignore[import-not-found]

TYPE_CHECKING = False  # as in `guard.py`
if TYPE_CHECKING:
    from typing import Any, NoReturn

    Spec = dict[str, Any]

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
PR_CAPBSET_DROP = 24
_NS_GET_USERNS = 0xB701  # ioctl_ns(2)
_STEP_S, _PATIENCE_S = 0.002, 1.0
_libc = ctypes.CDLL(None, use_errno=True)


class Start:
    """What the guard has started: `pid` is its own child, `payload_pid` the program, behind walls or not."""

    def __init__(self, pid: int, inside_pid: int, payload_pid: int) -> None:
        self.pid, self.inside_pid, self.payload_pid = pid, inside_pid, payload_pid
        self.group = inside_pid
        """The process group that SIGTERM goes to. Behind walls its leader, the sandbox's init, ignores it."""


def prctl(option: int, value: int) -> None:
    _libc.prctl(option, value, 0, 0, 0)


# -- the payload ------------------------------------------------------------------------------------------


def start(spec: Spec, folder: str) -> Start:
    """Returns when the payload runs and is confined, or has ended."""
    guard_pid, (started, starting), (told, telling) = os.getpid(), os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        _become_payload(spec, folder, guard_pid, telling)
    os.close(starting)
    os.close(telling)
    os.read(started, 1)  # ends when exec closes the other end
    with open(told) as file:
        said = file.read() if spec["walls"] else ""
    init = json.loads(said)["child-pid"] if said else pid
    return Start(pid, init, _first_child(init, pid) if said else pid)


def _first_child(init: int, pid: int) -> int:
    """The payload is what the sandbox's init starts; whoever becomes it takes a moment to drop its rights."""
    child, give_up_at = init, time.monotonic() + _PATIENCE_S
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        child = next(iter(proctree.descendants(init)), init)
        late = time.monotonic() > give_up_at  # a program that nobody may read hides its name, too
        if late or _program(child) not in ("bwrap", "setpriv", ""):
            break
        time.sleep(_STEP_S)
    return child


def _program(pid: int) -> str:
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def _become_payload(spec: Spec, folder: str, guard_pid: int, telling: int) -> NoReturn:
    """In the child: never returns."""
    try:
        os.setsid()
        log = os.open(os.path.join(folder, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if spec["uid"] is not None:
            os.fchown(log, spec["uid"], -1)  # programs open /dev/stdout by name, too
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        cgroups.join(spec["cgroup"])
        command, env = _behind_walls(spec, telling) if spec["walls"] else (spec["command"], spec["env"])
        confine(spec, as_user=not spec["walls"])
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard_pid:
            os._exit(1)  # it died before the line above
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execvpe(command[0], command, env)
    except BaseException as error:
        os.write(2, f"{spec['command'][0]}: {error}\n".encode())
        os._exit(127)


def _behind_walls(spec: Spec, telling: int) -> tuple[list[str], dict[str, str]]:
    """(command line, variables) of bubblewrap, which reads the payload's variables where nobody else can."""
    os.set_inheritable(telling, True)
    words = [word for name, value in spec["env"].items() for word in ("--setenv", name, value)]
    if filter := seccomp.of_this_machine():
        words += ["--seccomp", str(_held(filter))]
    if any("\0" in word for word in words):  # what follows it would be bubblewrap's
        raise ValueError("a NUL character in its variables")
    arguments = _held("\0".join(["--clearenv", *words, ""]).encode("utf-8", "surrogateescape"))
    program, *walls = spec["walls"]
    options = ["--args", str(arguments), "--info-fd", str(telling)]
    return [program, *options, *walls, *spec["command"]], {"PATH": os.defpath}


def _held(content: bytes) -> int:
    """A descriptor that bubblewrap inherits, and reads `content` from."""
    descriptor = os.memfd_create("given", 0)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def confine(spec: Spec, *, as_user: bool = True) -> None:
    """The CPUs, the limits, the user and the folder of the replica; for payload and shells."""
    os.sched_setaffinity(0, spec["cpus"])
    for name, limit in spec["limits"].items():
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(number, (limit, limit))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if as_user and spec["uid"] is not None:
        os.setgroups(spec["groups"])
        os.setgid(spec["uid"])
        os.setuid(spec["uid"])
    elif as_user and os.geteuid() == 0:
        _forgo_capabilities()
    os.umask(0o077)
    os.chdir(spec["cwd"])
    if as_user:
        seccomp.apply(seccomp.of_this_machine())


def _forgo_capabilities() -> None:
    """Root that can't have another user keeps its name alone: what it executes gets none of its powers."""
    capability = 0
    while _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1


# -- shells and commands ----------------------------------------------------------------------------------


def become_shell(spec: Spec, pid: int, started: int, command: list[str]) -> NoReturn:
    """Standard input is a terminal's end; it becomes the controlling terminal of a session of its own."""
    alive = _enter(spec, pid, started)
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if spec["uid"] is not None:
        os.fchown(0, spec["uid"], -1)  # programs open their terminal by name too
    confine(spec)
    _die_with_parent(alive)
    shell = ["/bin/sh", "-c", *command] if command else ["/bin/sh", "-i"]
    os.execve(shell[0], shell, {**spec["env"], "TERM": "xterm-256color", "PS1": "$ "})


def become_command(spec: Spec, pid: int, started: int, command: list[str]) -> NoReturn:
    alive = _enter(spec, pid, started)
    confine(spec)
    _die_with_parent(alive)
    os.execvpe(command[0], command, spec["env"])


def _enter(spec: Spec, pid: int, started: int) -> int | None:
    """Behind the walls of the replica whose sandbox began with `pid`.

    What was called stays outside and waits for what goes in, which gets the end of a pipe that tells its end.
    """
    cgroups.join(spec["cgroup"])
    if not spec["walls"]:
        return None
    prctl(PR_SET_DUMPABLE, 0)  # nobody inside looks at this process before it has become the command
    spaces = _open_namespaces(pid)
    if proctree.started_ticks(pid) != started:
        sys.exit("the replica has ended")
    for space in spaces:
        if _libc.setns(space, 0):
            raise OSError(ctypes.get_errno(), "its namespaces can't be entered")
    ours, theirs = os.pipe()
    child = os.fork()
    if child:
        os.close(ours)
        os._exit(_status_of(child))
    os.close(theirs)
    return ours


def _open_namespaces(pid: int) -> list[int]:
    """In the order in which they can be entered: who owns the mounts, what is owned, who the payload is."""
    owned = [
        os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in ("mnt", "uts", "ipc", "cgroup", "pid")
    ]
    own, last = os.stat("/proc/self/ns/user"), os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    owner = fcntl.ioctl(owned[0], _NS_GET_USERNS)
    first = [] if os.path.samestat(os.fstat(owner), own) else [owner]
    inner = [] if os.path.samestat(os.fstat(last), os.fstat(owner)) else [last]
    return [*first, *owned, *inner]


def _die_with_parent(alive: int | None) -> None:
    """After the user is changed, which forgets it. Nobody can ask for a parent in another namespace."""
    if alive is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if select.select([alive], [], [], 0)[0]:
            os._exit(1)


def _status_of(child: int) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code
