"""The history of prices is written here alone: a look at the book every five minutes, then averages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from apps.market.board.lots import lets, lots, wanted
from apps.market.board.rows import Row, rows
from apps.market.history.points import ALL, KEPT, PricePoint, PriceSpan
from apps.nodes.averaging import beginning, forget, not_averaged

FINEST = PriceSpan.FIVE_MINUTES


def note_prices() -> int:
    """Keep what the book says now, once in five minutes; then average and forget. Returns rows written.

    Called more often, or by two at once, it writes no more. While nobody calls it there is a gap.
    """
    at = beginning(timezone.now(), FINEST)
    written = 0 if _is_noted(at) else _note(at)
    return written + roll_up()


def roll_up() -> int:
    """Average what is complete into the coarser spans, then forget what is too old. Returns rows written."""
    now = timezone.now()
    written = _average(PriceSpan.FIVE_MINUTES, PriceSpan.HOUR, now=now)
    written += _average(PriceSpan.HOUR, PriceSpan.DAY, now=now)
    forget(PricePoint.objects.all(), KEPT, now=now)
    return written


def _is_noted(at: datetime) -> bool:
    return PricePoint.objects.filter(runtime=ALL, region=ALL, span_s=FINEST, at=at).exists()


def _note(at: datetime) -> int:
    told = rows(lots(), lets(), wanted())
    return len(PricePoint.objects.bulk_create((_point(row, at) for row in told), ignore_conflicts=True))


def _point(row: Row, at: datetime) -> PricePoint:
    figures = {name: getattr(row, name) for name in (*PricePoint.PRICES, *PricePoint.COUNTS)}
    return PricePoint(runtime=row.runtime, region=row.region, span_s=FINEST, at=at, **figures)


def _average(fine: PriceSpan, coarse: PriceSpan, *, now: datetime) -> int:
    since = not_averaged(PricePoint.objects.all(), fine_s=fine, coarse_s=coarse)
    until = beginning(now, coarse)
    if since is None or since >= until:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_AVERAGE, _spans(fine, coarse) | {"since": since, "until": until})
        return cursor.rowcount


def _spans(fine: PriceSpan, coarse: PriceSpan) -> dict[str, Any]:
    return {"fine": fine, "coarse": coarse, "width": timedelta(seconds=coarse), "all": ALL}


_AVERAGE = """
WITH looks AS (
    -- The line of everything is written at each look: whoever has none at one of them was not there.
    SELECT at, samples, sum(samples) OVER (PARTITION BY date_bin(%(width)s, at, 'epoch')) AS of_all
    FROM market_pricepoint
    WHERE span_s = %(fine)s AND at >= %(since)s AND at < %(until)s AND runtime = %(all)s AND region = %(all)s
)
INSERT INTO market_pricepoint (
    runtime, region, span_s, at, samples,
    least_glm, median_glm, mean_glm, paid_glm,
    cpu_threads, cpu_threads_free, cpu_threads_let, nodes, offers, agreements, demands
)
SELECT
    runtime,
    region,
    %(coarse)s,
    date_bin(%(width)s, at, 'epoch') AS begins,
    sum(point.samples),
    min(least_glm),
    sum(median_glm * point.samples) / sum(point.samples) FILTER (WHERE median_glm IS NOT NULL),
    sum(mean_glm * point.samples) / sum(point.samples) FILTER (WHERE mean_glm IS NOT NULL),
    sum(paid_glm * point.samples) / sum(point.samples) FILTER (WHERE paid_glm IS NOT NULL),
    sum(cpu_threads * looks.samples) / min(of_all),
    sum(cpu_threads_free * looks.samples) / min(of_all),
    sum(cpu_threads_let * looks.samples) / min(of_all),
    sum(nodes * looks.samples) / min(of_all),
    sum(offers * looks.samples) / min(of_all),
    sum(agreements * looks.samples) / min(of_all),
    sum(demands * looks.samples) / min(of_all)
FROM market_pricepoint AS point
JOIN looks USING (at)
WHERE span_s = %(fine)s AND at >= %(since)s AND at < %(until)s
GROUP BY runtime, region, begins
ON CONFLICT DO NOTHING
"""
