"""Following a container's log: by the engine's own time of each line, of nine digits, which only grows."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

_MARK = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
MOST_BYTES = 1 << 20
"""Told at once; who is further behind gets the rest with the next call."""


def what_to_ask(mark: str, tail: int) -> dict[str, Any]:
    """The engine's own words: it knows whole seconds, so the mark's is asked for again."""
    if not _MARK.fullmatch(mark):
        return {"tail": tail}
    return {"since": int(datetime.fromisoformat(f"{mark[:19]}+00:00").timestamp()) or 1}


def lines_after(said: bytes, mark: str) -> tuple[bytes, str]:
    """Of lines that begin with their time those behind the mark, without it; and the new mark."""
    known = mark if _MARK.fullmatch(mark) else ""
    told, size, newest = [], 0, known
    for line in said.splitlines(keepends=True):
        at, _, text = line.partition(b" ")
        when = at.decode(errors="replace")
        if not line.endswith(b"\n") or (_MARK.fullmatch(when) and when <= known):
            continue
        told.append(text if _MARK.fullmatch(when) else line)
        newest, size = (when if _MARK.fullmatch(when) else newest), size + len(line)
        if size > MOST_BYTES:
            break
    return b"".join(told), newest
