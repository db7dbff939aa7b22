"""How much the folders of a replica hold. Standard library only: guards use it."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False  # as in `guard.py`
if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES_A_LOOK = 2000
_LEAST_FILE_BYTES = 4096


class Disk:
    """Found out a few thousand files at a time, so that looking costs next to nothing.

    Each file counts for a block at least, so that empty ones can't be made without end. What is deleted but
    still open is not seen; `RLIMIT_FSIZE` bounds each single file of that kind.
    """

    def __init__(self, folders: list[str], limit_bytes: int) -> None:
        self._folders, self._limit_bytes = folders, limit_bytes
        self._sizes, self._sum_bytes = self._measure(), 0

    def look(self) -> str:
        """Why the replica must end, if what was found so far is too much already."""
        try:
            through = self._look_on()
        except OSError as error:
            return f"killed: its files can't be measured ({error.strerror})"
        found_bytes = self._sum_bytes
        if through:
            self._sizes, self._sum_bytes = self._measure(), 0
        if found_bytes <= self._limit_bytes:
            return ""
        return f"killed: out of disk ({self._limit_bytes >> 20} MiB are rented)"

    def _look_on(self) -> bool:
        """Whether that was the last of it."""
        for _ in range(_FILES_A_LOOK):
            size = next(self._sizes, None)
            if size is None:
                return True
            self._sum_bytes += size
        return False

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
