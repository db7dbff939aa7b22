"""A month as people write it, and when it begins and ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

EARLIEST_YEAR = 1970
"""Nothing moved before; the calendar's first month has none before it."""


class Month(NamedTuple):
    """UTC; `end` is when the next one begins."""

    start: datetime
    end: datetime

    @property
    def before(self) -> datetime:
        """Within the month before it."""
        return self.start - timedelta(days=1)

    @property
    def is_over(self) -> bool:
        return self.end <= timezone.now()

    @property
    def until(self) -> datetime:
        """As far as it can be told of: its end, or now while it runs."""
        return min(self.end, timezone.now())

    def __str__(self) -> str:
        return f"{self.start:%Y-%m}"


def month_from(text: str) -> Month:
    """This month for an empty text. Raises ValueError for what is no month, and for one that is to come."""
    now = timezone.now()
    try:
        found = datetime.strptime(text, "%Y-%m") if text else now
        if found.year < EARLIEST_YEAR:
            raise ValueError(text)
        month = month_of(now.replace(year=found.year, month=found.month, day=1))
    except (ValueError, OverflowError):
        raise ValueError(f'"{text[:40]}": expected a month such as {now:%Y-%m}') from None
    if month.start > now:
        raise ValueError(f"{month} has not begun: expected a month until {now:%Y-%m}")
    return month


def month_of(at: datetime) -> Month:
    """That an instant (UTC) lies in. Raises OverflowError after the year 9999."""
    start = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Month(start, (start + timedelta(days=32)).replace(day=1))
