"""The one formula of what a usage report costs. Plain, without a database.

Billed is the least of what three sides saw: the Bee's signed counters, the Queen's own watch (when she heard
the node, and for how long its lease was funded), and the edge's traffic.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from agent.protocol import LONGEST_GRACE_S, Price


class Reported(NamedTuple):
    """The Bee's side. `egress_bytes` counts from the start of the agreement, as the edge's does."""

    running_ms: int
    cpu_ms: int
    egress_bytes: int = 0


class Watched(NamedTuple):
    """Our side of the same interval; `edge_bytes` since the start of the agreement."""

    passed_ms: int
    leased_ms: int
    heard_ms: int
    cpu_threads: Decimal
    edge_bytes: int = 0
    late_ms: int = 0
    """From the end of the lease to that of the interval."""


STOPS_WITHIN_MS = LONGEST_GRACE_S * 1000
"""A Bee stops by itself when a lease ends, and what runs then gets its grace period to go in order. That is
not billed, and nobody's fault."""
QUOTA_PERIOD_MS = 100
"""Kernels grant CPU time by periods of so long (CFS bandwidth control), so an honest count may be ahead of
what is rented by one. It is not billed, and nobody's fault."""


class Billed(NamedTuple):
    """What all sides agree on at least. `egress_bytes` is that of this interval alone."""

    running_ms: int
    cpu_ms: int
    egress_bytes: int
    cost_glm: Decimal
    reduced_because: str = ""
    is_overclaim: bool = False
    """Whether it is reduced for more than an honest Bee reports."""


def bill(
    *, reported: Reported, watched: Watched, price: Price, first: bool, egress_billed_bytes: int = 0
) -> Billed:
    """The least of what Bee, Queen, lease and edge say, at the agreement's own price; rounded once.

    CPU time shrinks in proportion to running time, and never exceeds what was rented. `first` adds the start
    price, provided that anything ran. `egress_billed_bytes` was billed for earlier intervals.
    """
    limit_ms, limit = min(
        (watched.passed_ms, "that much time passed"),
        (watched.leased_ms, "the lease covers"),
        (watched.heard_ms, "the Queen heard the node for"),
    )
    running_ms = min(reported.running_ms, limit_ms)
    share_ms = reported.cpu_ms * running_ms // reported.running_ms if reported.running_ms else 0
    cpu_ms = min(share_ms, int(running_ms * watched.cpu_threads))
    egress = max(min(reported.egress_bytes, watched.edge_bytes) - egress_billed_bytes, 0)
    cost = price.cost_glm(
        duration_s=_seconds(running_ms),
        cpu_s=_seconds(cpu_ms),
        egress_bytes=egress,
        first=first and running_ms > 0,
    )
    why = _why(reported, running_ms, limit, cpu_ms, share_ms)
    is_overclaim = bool(why) and not _stopped_late(reported, running_ms, watched)
    return Billed(running_ms, cpu_ms, egress, cost, why, is_overclaim)


def _why(reported: Reported, running_ms: int, limit: str, cpu_ms: int, share_ms: int) -> str:
    if running_ms < reported.running_ms:
        return f"{_seconds(reported.running_ms)} s reported, {limit} {_seconds(running_ms)} s"
    if cpu_ms + QUOTA_PERIOD_MS < share_ms:
        return f"{_seconds(share_ms)} CPU seconds reported, {_seconds(cpu_ms)} were rented"
    return ""


def _stopped_late(reported: Reported, running_ms: int, watched: Watched) -> bool:
    """Whether all that it reported beyond what is billed is what it ran on for after its lease."""
    beyond_ms = reported.running_ms - running_ms
    return running_ms == watched.leased_ms and 0 < beyond_ms <= watched.late_ms <= STOPS_WITHIN_MS


def _seconds(ms: int) -> Decimal:
    return Decimal(ms).scaleb(-3)
