"""A month as people write it, and when it begins and ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone


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

    def __str__(self) -> str:
        return f"{self.start:%Y-%m}"


def month_from(text: str) -> Month:
    """This month for an empty text. Raises ValueError for what is no month."""
    now = timezone.now()
    try:
        found = datetime.strptime(text, "%Y-%m") if text else now
        start = now.replace(
            year=found.year, month=found.month, day=1, hour=0, minute=0, second=0, microsecond=0
        )
        return Month(start, (start + timedelta(days=32)).replace(day=1))
    except (ValueError, OverflowError):
        raise ValueError(f'"{text[:40]}": expected a month such as {now:%Y-%m}') from None
