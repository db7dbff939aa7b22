"""What a guard looks at twice a second: memory, disk and log of its replica.

Standard library only; imported by `guard.py`, which runs without the agent.
"""

from __future__ import annotations

import os

import cgroups  # type: ignore[import-not-found]
import disk_use  # type: ignore[import-not-found]
import proctree  # type: ignore[import-not-found]

TYPE_CHECKING = False  # as in `guard.py`
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]

_LOG_BYTES = 10 << 20
_SLACK_BYTES = 64 << 10
"""File systems round up what a file takes."""
_PROCESSES = 512


class Limits:
    """Those that the kernel holds are asked for what it did; the others are held here."""

    def __init__(self, spec: Spec, folder: str) -> None:
        self._spec = spec
        folders = [os.path.join(folder, name) for name in ("files", "tmp")]
        self._disk = disk_use.Disk(folders, spec["storage_bytes"])

    def broken(self) -> str:
        """Why the replica must end; empty while it keeps within all of them."""
        return self.memory() or self._processes() or self._disk.look()

    def memory(self) -> str:
        rented = f"{self._spec['rented_bytes'] >> 20} MiB are rented"
        if self._spec["cgroup"]:
            return f"killed: out of memory ({rented})" if cgroups.oom_kills(self._spec["cgroup"]) else ""
        used = proctree.resident_bytes(os.getpid())
        if used <= self._spec["mem_bytes"]:
            return ""
        return f"killed: out of memory ({used >> 20} MiB in use, {rented})"

    def _processes(self) -> str:
        if self._spec["cgroup"]:
            return ""  # there a fork beyond the limit fails, which is all the harm
        running = len(proctree.descendants(os.getpid()))
        return f"killed: {running} processes, {_PROCESSES} are allowed" if running > _PROCESSES else ""


def keep_short(log: str) -> None:
    """A log grown too long goes to `log.1`, its end at least, and begins anew: it is only appended to.

    `log.start` counts the bytes that went before, so that whoever follows the log finds their place again.
    The replica has it open, and can take disk for it beyond its end (fallocate).
    """
    try:
        found = os.stat(log)
        if max(found.st_size, found.st_blocks * 512) <= _LOG_BYTES + _SLACK_BYTES:
            return
        with open(log, "rb+") as full, open(log + ".1", "wb") as kept:
            full.seek(max(0, full.seek(0, os.SEEK_END) - _LOG_BYTES))
            kept.write(full.read(_LOG_BYTES))
            kept.flush()  # whoever reads now finds the lines in one of the two
            gone = full.tell()
            full.truncate(0)
        _count_on(log + ".start", gone)
    except OSError:
        pass  # a full disk: next time


def _count_on(path: str, more: int) -> None:
    try:
        with open(path) as counted:
            before = int(counted.read())
    except (FileNotFoundError, ValueError):
        before = 0
    with open(path + ".new", "w") as draft:
        draft.write(str(before + more))
    os.replace(path + ".new", path)
