"""A node's statistics as charts draw them: columns over a range of time, with gaps where it was silent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.db import models
from django.utils import timezone

from apps.nodes.measured import Span, Statistic
from apps.nodes.models import Node
from apps.nodes.statistics import KEPT


class Range(models.TextChoices):
    """How far back a chart looks; each shows the rows of one span, as long as they are kept."""

    HOUR = "hour", "1 hour"
    DAYS = "days", "2 days"
    QUARTER = "quarter", "90 days"


SPANS = {Range.HOUR: Span.HEARTBEAT, Range.DAYS: Span.FIVE_MINUTES, Range.QUARTER: Span.HOUR}
WIDEST_S = {Span.HEARTBEAT: 60, Span.FIVE_MINUTES: 2 * 300, Span.HOUR: 2 * 3600}
"""Two rows further apart than this are not joined by a line: the node was away between them."""


class Series(NamedTuple):
    range: str
    span_s: int
    since: datetime
    until: datetime
    at: list[float]
    """Unix seconds, rising."""
    figures: dict[str, list[float | None]]
    """As many values each; None where there is none."""


def series(node: Node, range: Range) -> Series:
    span, until = SPANS[range], timezone.now()
    since = until - KEPT[span]
    rows = node.statistics.filter(span_s=span, at__gte=since).order_by("at")
    told = list(with_gaps(rows.values_list("at", *Statistic.FIGURES), WIDEST_S[span]))
    columns = {name: [row[place] for row in told] for place, name in enumerate(Statistic.FIGURES, start=1)}
    return Series(range, span, since, until, [row[0] for row in told], columns)


def with_gaps(rows: Iterable[tuple[Any, ...]], widest_s: float) -> Iterator[tuple[Any, ...]]:
    """The rows, instants in Unix seconds; where one is missing, a row of nothing in its place."""
    before_s: float | None = None
    for at, *figures in rows:
        at_s = at.timestamp()
        if before_s is not None and at_s - before_s > widest_s:
            yield ((before_s + at_s) / 2, *[None] * len(figures))
        yield (at_s, *figures)
        before_s = at_s
