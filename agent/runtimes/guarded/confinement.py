"""What confines a native replica: user, limits, CPUs, control group. `inside.py` applies them."""

from __future__ import annotations

import logging
import math
import os
import stat
import zlib
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from functools import cache
from pathlib import Path

from agent.runtimes.base import RuntimeFault
from agent.runtimes.guarded import cgroups

log = logging.getLogger("hive.agent")

_FIRST_UID, _UIDS = 0x2000_0000, 0x2000_0000
_OPEN_FILES = 4096
PROCESSES = 512


def gives_own_user(needed: Iterable[Path], *, walls: bool) -> bool:
    """Whether a replica runs as a user of its own: the agent is root, and a stranger can read what is needed.

    A home below a folder closed to others (`/root`, mode 0700) can't be reached by another user. Behind walls
    it can: there the folders above are made anew, and only what is needed has to be readable itself.
    """
    return os.geteuid() == 0 and all(_others_read(path, alone=walls) for path in needed)


def own_uid(assignment_id: str) -> int:
    """A user that nobody else is: replicas can't touch each other, and a process limit counts each alone."""
    return _FIRST_UID + zlib.crc32(assignment_id.encode()) % _UIDS


def limits(*, own_user: bool, storage_bytes: int) -> dict[str, int]:
    """rlimits by name. Memory is not among them: address space is no measure of it.

    Processes are counted per user, so for the agent's own user everything it runs already is allowed for.
    """
    others = 0 if own_user else _running_as(os.getuid())
    return {
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": _OPEN_FILES,
        "RLIMIT_NPROC": PROCESSES + others,
        "RLIMIT_FSIZE": storage_bytes,
    }


def groups(devices: Iterable[str]) -> list[int]:
    """The groups a user of its own must be in to use these devices: /dev/kvm is open to `kvm` alone."""
    found = [Path(device).stat() for device in devices]
    return sorted({each.st_gid for each in found if each.st_mode & 0o006 != 0o006 and each.st_gid != 0})


def control_group(assignment_id: str, mem_bytes: int, threads: Decimal) -> cgroups.Group:
    """A group for one replica; an empty one where there are none. Raises RuntimeFault."""
    if not (places := _places()):
        return {}
    limits = cgroups.limits(places, mem_bytes, float(threads), PROCESSES)
    try:
        return cgroups.create(places, assignment_id, limits)
    except OSError as error:
        leave_no_group(assignment_id)
        raise RuntimeFault(f"its control group can't be made: {error}") from error


def leave_no_group(assignment_id: str) -> None:
    cgroups.remove(cgroups.of(_places(), assignment_id))


@cache
def _places() -> cgroups.Group:
    try:
        return cgroups.places()
    except OSError as error:
        log.warning("replicas run without control groups, guards watch over them: %s", error)
        return {}


def cpus(assignment_id: str, threads: Decimal) -> list[int]:
    """As many CPUs as are rented, rounded up; which ones differs between replicas."""
    usable = sorted(os.sched_getaffinity(0))
    first = zlib.crc32(assignment_id.encode())
    count = min(len(usable), max(1, math.ceil(threads)))
    return [usable[(first + i) % len(usable)] for i in range(count)]


def _others_read(path: Path, *, alone: bool) -> bool:
    """Anybody reads this file, or passes through this folder; if not `alone`, gets there as well."""
    try:
        whole = path.resolve(strict=True)
        way = [] if alone else whole.parents
        own = stat.S_IXOTH if whole.is_dir() else stat.S_IROTH
        return bool(whole.stat().st_mode & own) and all(each.stat().st_mode & stat.S_IXOTH for each in way)
    except OSError:
        return False


def _running_as(uid: int) -> int:
    """Threads of a user: that is what the kernel counts."""
    count = 0
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and process.stat().st_uid == uid:
                count += sum(1 for _ in (process / "task").iterdir())
    return count
