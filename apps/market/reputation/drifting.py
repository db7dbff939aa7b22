"""Whether a machine has become slower than it used to be: a plain function of its benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from apps.nodes.models import NodeBenchmark

EARLIER = 10
"""With so many earlier measurements the newest is compared..."""
EARLIER_AT_LEAST = 3
"""... but not with fewer than these: a Bee measures once a day, while nothing runs on it."""
SLOWER = 0.2
WHAT = {
    "cpu_single": "one thread",
    "cpu_all": "all threads together",
    "mem_gib_s": "its memory",
    "disk_write_mib_s": "writing to disk",
    "disk_read_mib_s": "reading from disk",
}
"""What is the machine's own. Its way to the Queen is not: that has the Queen at its other end."""


def drift(newest: NodeBenchmark, earlier: Sequence[NodeBenchmark]) -> str:
    """`one thread 34 % below its usual 21.5`, of what fell the most; empty when nothing fell by a fifth."""
    if len(earlier) < EARLIER_AT_LEAST:
        return ""
    falls = [(fall, figure) for figure in WHAT if (fall := _fall(figure, newest, earlier)) > SLOWER]
    if not falls:
        return ""
    fall, figure = max(falls)
    return f"{WHAT[figure]} {fall:.0%} below its usual {_usual(figure, earlier):.4g}".replace("%", " %")


def _fall(figure: str, newest: NodeBenchmark, earlier: Sequence[NodeBenchmark]) -> float:
    """As a share of what is usual; nothing when either side could not be measured."""
    usual, now = _usual(figure, earlier), getattr(newest, figure)
    return 1 - now / usual if usual and now else 0.0


def _usual(figure: str, earlier: Sequence[NodeBenchmark]) -> float:
    measured = [value for one in earlier if (value := getattr(one, figure))]
    return median(measured) if len(measured) >= EARLIER_AT_LEAST else 0.0
