"""`docs/runtimes.md`: the runtimes side by side, with figures measured by `make bench ONLY=runtimes`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

PAGE = Path(__file__).resolve().parent.parent / "docs" / "runtimes.md"

BEGIN, END = "<!-- measured -->\n", "<!-- end -->"
HEAD = """| | start | memory on top | speed | smallest image | platforms |
|---|---|---|---|---|---|
"""
PLATFORMS = {
    "docker": "Linux with a Docker engine, 20.10 or later",
    "process": "Linux, any architecture",
    "qemu": "Linux, x86-64",
    "wasm": "Linux, x86-64 and arm64",
}


class Row(Protocol):
    """What the page tells of a runtime."""

    runtime: str
    version: str
    start_s: float
    overhead_mib: float
    job_s: float
    bare_s: float
    image_bytes: int


def write(rows: Iterable[Row], *, machine: str, date: str) -> None:
    """Replace what was measured before; the rest of the page is written by hand."""
    table = HEAD + "".join(_row(row) for row in sorted(rows, key=lambda row: row.runtime))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{table}\nMeasured on {date}: {machine}.\n{END}{after}")


def _row(row: Row) -> str:
    cells = (
        f"{row.runtime} {row.version}",
        f"{row.start_s * 1000:,.0f} ms",
        f"{row.overhead_mib:,.0f} MiB",
        f"{row.job_s / row.bare_s:.2f}",
        _size(row.image_bytes),
        PLATFORMS[row.runtime],
    )
    return "| " + " | ".join(cells) + " |\n"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):,.1f} MiB" if size_bytes >= 1 << 20 else f"{size_bytes / 1024:,.1f} KiB"
