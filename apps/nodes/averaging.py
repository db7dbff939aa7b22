"""Series kept in spans, recent fine and older coarse: where one begins, what is to average, what to forget.

A row has `span_s`, the seconds it tells of, and `at`, where they begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Min, QuerySet


def beginning(at: datetime, span_s: int) -> datetime:
    """Of the span that this instant is in."""
    return at.replace(microsecond=0) - timedelta(seconds=int(at.timestamp()) % span_s)


def not_averaged(rows: QuerySet[Any], *, fine_s: int, coarse_s: int) -> datetime | None:
    """The beginning of the first span that was not averaged yet; None when there is nothing to average."""
    newest = rows.filter(span_s=coarse_s).aggregate(at=Max("at"))["at"]
    if newest is not None:
        return newest + timedelta(seconds=coarse_s)
    oldest = rows.filter(span_s=fine_s).aggregate(at=Min("at"))["at"]
    return oldest and beginning(oldest, coarse_s)


def forget(rows: QuerySet[Any], kept: Mapping[Any, timedelta], *, now: datetime) -> None:
    """Those of each span that are older than it is kept."""
    for span_s, so_long in kept.items():
        rows.filter(span_s=span_s, at__lt=now - so_long).delete()
