"""The history of prices as charts draw it, with gaps where the Queen was away."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import models
from django.utils import timezone

from apps.market.history.points import ALL, KEPT, PricePoint, PriceSpan
from apps.nodes.series import Series, with_gaps


class PriceRange(models.TextChoices):
    """How far back a chart looks; each shows the points of one span, as long as they are kept."""

    DAYS = "days", "2 days"
    QUARTER = "quarter", "90 days"
    YEARS = "years", "3 years"


SPANS = {
    PriceRange.DAYS: PriceSpan.FIVE_MINUTES,
    PriceRange.QUARTER: PriceSpan.HOUR,
    PriceRange.YEARS: PriceSpan.DAY,
}
FIGURES = (*PricePoint.PRICES, *PricePoint.COUNTS)


def price_series(*, runtime: str = ALL, region: str = ALL, range: PriceRange) -> Series:
    """Its `figures` also have `let_percent`, of the threads on offer. One query."""
    span, until = SPANS[range], timezone.now()
    since = until - KEPT[span]
    points = PricePoint.objects.filter(runtime=runtime, region=region, span_s=span, at__gte=since)
    told = list(with_gaps(points.order_by("at").values_list("at", *FIGURES), 2 * span))
    columns: dict[str, list[Any]] = {
        name: [row[place] for row in told] for place, name in enumerate(FIGURES, start=1)
    }
    columns["let_percent"] = [
        _percent(let, of) for let, of in zip(columns["cpu_threads_let"], columns["cpu_threads"], strict=True)
    ]
    return Series(range, span, since, until, [row[0] for row in told], columns)


def _percent(let: Decimal | None, of: Decimal | None) -> float | None:
    """More may be let than is on offer, where it runs on while its node takes nothing new: that is all."""
    return min(float(100 * let / of), 100.0) if let is not None and of else None
