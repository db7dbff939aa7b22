"""How long a node may be silent, and which time counts as heard: plain arithmetic on instants and spans."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings

Span = tuple[int, int]
"""From, to, in Unix milliseconds; the end is not part of it."""

MISSED_HEARTBEATS = 3
"""So many heartbeats missed in a row are silence..."""
SILENCE_AT_LEAST_S = 15
"""... but not sooner than this while the link is up: a busy machine is late, a dead one's link breaks."""
REATTACH_S = 45
"""After a start of the Queen the Bees have so long to call again (they try every 30 s or sooner) before their
silence counts against them."""
HEARTBEATS_PER_S = 500
"""What the Queen wants to take at most; with more nodes each is asked to report less often."""


def heartbeat_s(online: int) -> float:
    """The interval that nodes are asked to keep when so many of them are online."""
    return max(float(settings.HIVE_HEARTBEAT_S), online / HEARTBEATS_PER_S)


def silence_s(online: int = 0) -> float:
    return max(MISSED_HEARTBEATS * heartbeat_s(online), SILENCE_AT_LEAST_S)


def silent_from(heard_at: datetime, *, online: int = 0) -> datetime:
    """When a node that was last heard at this instant becomes unknown."""
    return heard_at + timedelta(seconds=silence_s(online))


def without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """What is left of `spans` when `holes` are cut out. Spans may overlap only across the two lists."""
    left = list(spans)
    for start, end in holes:
        left = [
            piece for a, b in left for piece in ((a, min(b, start)), (max(a, end), b)) if piece[0] < piece[1]
        ]
    return left


def length_ms(spans: Iterable[Span]) -> int:
    return sum(end - start for start, end in spans)


def covered_ms(spans: Iterable[Span], within: Span) -> int:
    """How much of `within` lies in at least one of the spans, which may overlap."""
    start, until = within
    covered = 0
    for a, b in sorted(spans):
        begin, end = max(a, start), min(b, until)
        if begin < end:
            covered, start = covered + end - begin, end
    return covered


class Coverage:
    """Spans, which may overlap, of which is asked again and again how much of another span they cover."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._starts, self._lengths, self._before = list[int](), list[int](), list[int]()
        covered_until, before = 0, 0
        for start, end in sorted(spans):
            if end <= covered_until and self._starts:
                continue
            if not self._starts or start > covered_until:
                self._starts.append(start)
                self._lengths.append(0)
                self._before.append(before)
            covered_until = max(end, start)
            self._lengths[-1] = covered_until - self._starts[-1]
            before = self._before[-1] + self._lengths[-1]

    def within_ms(self, start: int, end: int) -> int:
        """How much of the time from `start` to `end`, which is not before it, is covered."""
        return self._until(end) - self._until(start)

    def _until(self, instant: int) -> int:
        at = bisect_right(self._starts, instant) - 1
        return self._before[at] + min(instant - self._starts[at], self._lengths[at]) if at >= 0 else 0
