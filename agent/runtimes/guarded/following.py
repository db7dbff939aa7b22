"""Following the log of a guarded replica: by the count of bytes since its start, whatever went to `log.1`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

MOST_BYTES = 1 << 20
"""Told at once; who is further behind gets the rest with the next call."""


def lines_after(path: Path, mark: str, count: int) -> tuple[bytes, str]:
    """Whole lines behind `mark`, which counts bytes from the log's start, and the mark behind them.

    Without a mark: the last `count` lines. What has left `log.1` meanwhile is lost.
    """
    start, size, kept = _start_of(path), _size_of(path), _size_of(_older(path))
    end = start + size
    told = int(mark) if mark.isdecimal() else max(end - MOST_BYTES, 0)
    begin = max(told, start - kept)
    if begin > end:  # it is going to `log.1` in this moment
        return b"", mark
    text = _between(path, start, begin, min(end, begin + MOST_BYTES))
    whole = text[: text.rfind(b"\n") + 1] or (text if len(text) == MOST_BYTES else b"")
    shown = whole if mark.isdecimal() else b"".join(whole.splitlines(keepends=True)[-count:])
    return shown, str(begin + len(whole))


def _between(path: Path, start: int, begin: int, end: int) -> bytes:
    """Of both files together; `start` is where the newer one begins."""
    older = _older(path)
    first = _size_of(older) - (start - begin)
    head = _read(older, first, min(end, start) - begin) if begin < start else b""
    return head + _read(path, max(begin - start, 0), end - max(begin, start))


def _read(path: Path, offset: int, size: int) -> bytes:
    if size > 0:
        with suppress(OSError), path.open("rb") as file:
            file.seek(max(offset, 0))
            return file.read(size)
    return b""


def _start_of(path: Path) -> int:
    try:
        return int(path.with_name(f"{path.name}.start").read_text())
    except (OSError, ValueError):
        return 0


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
