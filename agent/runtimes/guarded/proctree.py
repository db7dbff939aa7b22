"""A process and all that descends from it, read from /proc. Standard library only: the guard uses it too."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

_TICK_MS = 1000 // os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def descendants(pid: int) -> list[int]:
    """Everything below `pid`, parents first; zombies included, since their CPU time still counts."""
    found = _children(pid)
    for each in found:  # grows while it is walked: no recursion, however deep somebody forks
        found += _children(each)
    return found


def started_ticks(pid: int) -> int | None:
    """When the process began, in ticks since boot: with its id, a name no later process has. None: gone."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] != "Z" else None


def cpu_ms(guard: int) -> int:
    """CPU time of everything that ever ran below a guard, ended processes included.

    The guard is its tree's child subreaper, so whatever ends is waited for inside the tree and its time moves
    into an ancestor's `cutime`/`cstime`. The guard's own time is left out: nobody rents the guard.
    """
    total_ticks = 0
    own = _stat(guard)
    if own:
        total_ticks += int(own[13]) + int(own[14])
    for pid in descendants(guard):
        if fields := _stat(pid):
            total_ticks += sum(int(fields[i]) for i in (11, 12, 13, 14))
    return total_ticks * _TICK_MS


def resident_bytes(pid: int) -> int:
    """Memory in RAM of everything below `pid`; pages that are shared count once for each who maps them."""
    total = 0
    for each in descendants(pid):
        with suppress(OSError, ValueError, IndexError), open(f"/proc/{each}/statm") as file:
            total += int(file.read().split()[1]) * _PAGE_BYTES
    return total


def freeze(guard: int) -> None:
    """Stop everything below a guard. What forks meanwhile is met in the next round.

    What hangs in a system call stops when that returns: it is not waited for.
    """
    while running := [pid for pid in descendants(guard) if _state(pid) not in "TtZXD"]:
        for pid in running:
            _signal(pid, signal.SIGSTOP)
        time.sleep(0.002)


def thaw(guard: int) -> None:
    for pid in descendants(guard):
        _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _state(pid: int) -> str:
    """One letter, `X` for what is gone."""
    fields = _stat(pid)
    return fields[0] if fields else "X"


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the third (state) on: the name before may hold spaces."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None


def _children(pid: int) -> list[int]:
    children = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:
                children += [int(word) for word in file.read().split()]
    return children
