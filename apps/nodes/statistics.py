"""The series of what heartbeats measured: recent fine, older coarse, the oldest gone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from agent.protocol import Observed
from apps.nodes.averaging import beginning, forget, not_averaged
from apps.nodes.measured import Span, Statistic

KEPT = {
    Span.HEARTBEAT: timedelta(hours=1),
    Span.FIVE_MINUTES: timedelta(days=2),
    Span.HOUR: timedelta(days=90),
}
"""How long rows of each span are kept: 720, 576 and 2,160 of a node that reports every five seconds."""
EVERY_S, BURST_S = 1.0, 30.0
"""Bees report every five seconds, and when something changes; a flood fills no table."""
MOST_COUNTED = 20_000
_spent_until_s: dict[str, float] = {}
"""By node, on the monotonic clock: how far its rows have used up its time. Of this process."""
_SETTLES = timedelta(seconds=10)
"""A heartbeat may be written so long after the instant that it bears."""


def record(seen: Mapping[str, Observed]) -> None:
    """Keep what these nodes measured, by node id: one statement, however many they are.

    Of a node that says it more often than `EVERY_S` on the average, what is too much is left out.
    """
    seen = {node_id: observed for node_id, observed in seen.items() if _may_fill(node_id, time.monotonic())}
    if not seen:
        return
    stats = [observed.stats for observed in seen.values()]
    columns = [[getattr(each, figure) for each in stats] for figure in Statistic.FIGURES]
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, [Span.HEARTBEAT, timezone.now(), list(seen), *columns])


def _may_fill(node_id: str, now_s: float) -> bool:
    """Each row spends EVERY_S; nobody may be ahead of the clock by more than BURST_S."""
    if len(_spent_until_s) > MOST_COUNTED:
        for past in [each for each, until_s in _spent_until_s.items() if until_s <= now_s]:
            del _spent_until_s[past]
    until_s = max(_spent_until_s.get(node_id, 0.0), now_s) + EVERY_S
    if until_s - now_s > BURST_S:
        return False
    _spent_until_s[node_id] = until_s
    return True


def roll_up() -> int:
    """Average what is complete into the coarser spans, then forget what is too old. Returns rows written.

    Whatever was missed while nobody called it is made up for, as long as the finer rows are there: they are
    forgotten here alone, and never before they were averaged.
    """
    now = timezone.now()
    written = _average(Span.HEARTBEAT, Span.FIVE_MINUTES, now=now)
    written += _average(Span.FIVE_MINUTES, Span.HOUR, now=now)
    forget(Statistic.objects.all(), KEPT, now=now)
    return written


def _average(fine: Span, coarse: Span, *, now: datetime) -> int:
    since = not_averaged(Statistic.objects.all(), fine_s=fine, coarse_s=coarse)
    until = beginning(now - _SETTLES, coarse)
    if since is None or since >= until:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_AVERAGE, {"fine": fine, "coarse": coarse, "since": since, "until": until})
        return cursor.rowcount


_RECORD = """
INSERT INTO nodes_statistic (
    span_s, at, samples, node_id,
    cpu_percent, mem_used_bytes, disk_used_bytes, sent_bytes_s, received_bytes_s, running, temperature_c
)
SELECT %s, %s, 1, seen.*
FROM unnest(
    %s::text[], %s::float8[], %s::bigint[], %s::bigint[], %s::float8[], %s::float8[], %s::float8[],
    %s::float8[]
) AS seen
ON CONFLICT DO NOTHING
"""

_AVERAGE = """
INSERT INTO nodes_statistic (
    node_id, span_s, at, samples,
    cpu_percent, mem_used_bytes, disk_used_bytes, sent_bytes_s, received_bytes_s, running, temperature_c
)
SELECT
    node_id,
    %(coarse)s,
    date_bin(make_interval(secs => %(coarse)s), at, 'epoch') AS begins,
    sum(samples),
    sum(cpu_percent * samples) / sum(samples),
    sum(mem_used_bytes * samples::numeric) / sum(samples),
    sum(disk_used_bytes * samples::numeric) / sum(samples),
    sum(sent_bytes_s * samples) / sum(samples),
    sum(received_bytes_s * samples) / sum(samples),
    sum(running * samples) / sum(samples),
    sum(temperature_c * samples) / sum(samples) FILTER (WHERE temperature_c IS NOT NULL)
FROM nodes_statistic
WHERE span_s = %(fine)s AND at >= %(since)s AND at < %(until)s
GROUP BY node_id, begins
ON CONFLICT DO NOTHING
"""
