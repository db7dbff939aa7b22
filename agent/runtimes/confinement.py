"""What confines a native replica: user, limits, CPUs. Plain figures; `guard.py` applies them."""

from __future__ import annotations

import math
import os
import stat
import zlib
from decimal import Decimal
from pathlib import Path

_FIRST_UID, _UIDS = 0x2000_0000, 0x2000_0000
_OPEN_FILES = 4096
_PROCESSES = 512


def gives_own_user(needed: list[Path]) -> bool:
    """Whether replicas run as users of their own: the agent is root, and a stranger can read what they need.

    A home below a folder closed to others (`/root`, mode 0700) can't be reached by another user; its replicas
    then run as the user that runs the agent.
    """
    return os.geteuid() == 0 and all(_others_read(path) for path in needed)


def own_uid(assignment_id: str) -> int:
    """A user that nobody else is: replicas can't touch each other, and a process limit counts each alone."""
    return _FIRST_UID + zlib.crc32(assignment_id.encode()) % _UIDS


def limits(*, own_user: bool) -> dict[str, int]:
    """rlimits by name. Memory is not among them: address space is no measure of it, the guard watches RAM."""
    base = {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": _OPEN_FILES}
    # Counted per user: for the agent's own user it would count everything else that user runs.
    return base | ({"RLIMIT_NPROC": _PROCESSES} if own_user else {})


def cpus(assignment_id: str, threads: Decimal) -> list[int]:
    """As many CPUs as are rented, rounded up; which ones differs between replicas."""
    usable = sorted(os.sched_getaffinity(0))
    first = zlib.crc32(assignment_id.encode())
    count = min(len(usable), max(1, math.ceil(threads)))
    return [usable[(first + i) % len(usable)] for i in range(count)]


def _others_read(path: Path) -> bool:
    """A file is read, or a folder passed through, by anybody."""
    try:
        whole = path.resolve(strict=True)
        way = [*whole.parents, *([whole] if whole.is_dir() else [])]
        is_open = whole.is_dir() or whole.stat().st_mode & stat.S_IROTH
        return bool(is_open) and all(each.stat().st_mode & stat.S_IXOTH for each in way)
    except OSError:
        return False
