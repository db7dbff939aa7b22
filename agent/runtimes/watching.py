"""What a guard looks at twice a second: memory, disk and log of its replica.

Standard library only; imported by `guard.py`, which runs without the agent.
"""

from __future__ import annotations

import errno
import os

import cgroups  # type: ignore[import-not-found]
import proctree  # type: ignore[import-not-found]

TYPE_CHECKING = False  # as in `guard.py`
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Spec = dict[str, Any]

_LOG_BYTES = 10 << 20
_FILES_A_LOOK = 2000
_LEAST_FILE_BYTES = 4096
_PROCESSES = 512


class Limits:
    """Those that the kernel holds are asked for what it did; the others are held here."""

    def __init__(self, spec: Spec, folder: str) -> None:
        self._spec = spec
        self._disk = Disk([os.path.join(folder, name) for name in ("files", "tmp")], spec["storage_bytes"])

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


class Disk:
    """How much a replica's folders hold, found out a few thousand files at a time.

    Each file counts for a block at least, so that empty ones can't be made without end. What is deleted but
    still open is not seen; `RLIMIT_FSIZE` bounds each single file of that kind.
    """

    def __init__(self, folders: list[str], limit_bytes: int) -> None:
        self._folders, self._limit_bytes = folders, limit_bytes
        self._sizes, self._sum_bytes = self._measure(), 0

    def look(self) -> str:
        try:
            for _ in range(_FILES_A_LOOK):
                size = next(self._sizes, None)
                if size is None:
                    self._sizes, self._sum_bytes = self._measure(), 0
                    return ""
                self._sum_bytes += size
        except OSError as error:
            return f"killed: its files can't be measured ({error.strerror})"
        if self._sum_bytes <= self._limit_bytes:
            return ""
        return f"killed: out of disk ({self._limit_bytes >> 20} MiB are rented)"

    def _measure(self) -> Iterator[int]:
        open_folders = [folder for folder in self._folders if os.path.isdir(folder)]
        while open_folders:
            for entry in _entries(open_folders.pop()):
                size = _size(entry)
                if size is not None:
                    yield max(_LEAST_FILE_BYTES, size)
                    if entry.is_dir(follow_symlinks=False):
                        open_folders.append(entry.path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):  # gone since we heard of it
            return []
        raise


def _size(entry: os.DirEntry[str]) -> int | None:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * 512
    except FileNotFoundError:
        return None


def keep_short(log: str) -> None:
    """A log grown too long goes to `log.1`, its end at least, and begins anew: it is only appended to."""
    try:
        if os.stat(log).st_size <= _LOG_BYTES:
            return
        with open(log, "rb+") as full, open(log + ".1", "wb") as kept:
            full.seek(-_LOG_BYTES, os.SEEK_END)
            kept.write(full.read(_LOG_BYTES))
            full.truncate(0)
    except OSError:
        pass  # a full disk: next time
