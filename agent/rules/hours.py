"""When the machine is for rent: spans of the owner's local time, such as "22:00-08:00" or "sat 00:00-24:00".

A span that passes midnight belongs to the day on which it starts: "fri 22:00-08:00" ends on Saturday.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_SPAN = re.compile(r"(?:(?P<days>[a-z,\- ]+?)\s+)?(?P<from>\d{1,2}:\d\d)\s*-\s*(?P<to>\d{1,2}:\d\d)")
_SHAPE = 'expected hours such as "22:00-08:00" or "mon-fri 18:00-24:00"'


@dataclass(frozen=True, slots=True)
class Span:
    days: frozenset[int]
    """On which it starts; Monday is 0."""
    start: int
    """Minutes after midnight, as `end`, which is above 24 h when the span passes midnight."""
    end: int

    def covers(self, day: int, minute: int) -> bool:
        today = day in self.days and self.start <= minute < self.end
        late = (day - 1) % 7 in self.days and minute + _DAY_MINUTES < self.end
        return today or late


def read_span(text: str) -> Span:
    """Raises ValueError with what was expected."""
    match = _SPAN.fullmatch(text.strip().lower())
    if not match:
        raise ValueError(f"{_SHAPE}, got {text!r}")
    start, end = _minute(match["from"]), _minute(match["to"])
    if start in (end, _DAY_MINUTES):
        raise ValueError(f"{text!r} has no length: all day is 00:00-24:00")
    return Span(_days(match["days"]), start, end if end > start else end + _DAY_MINUTES)


def is_open(spans: Iterable[Span], at: datetime) -> bool:
    """`at` is local time. No span at all means always."""
    spans = list(spans)
    minute = at.hour * 60 + at.minute
    return not spans or any(span.covers(at.weekday(), minute) for span in spans)


def next_change(spans: Iterable[Span], at: datetime) -> datetime | None:
    """When `is_open` changes next, by the clock on the wall; None when it never does."""
    spans, now = list(spans), is_open(spans, at)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    edges = {edge % _DAY_MINUTES for span in spans for edge in (span.start, span.end)}
    times = (midnight + timedelta(days=day, minutes=edge) for day in range(8) for edge in sorted(edges))
    return next((time for time in times if time > at and is_open(spans, time) != now), None)


@cache
def hours_a_day(spans: tuple[Span, ...]) -> float:
    """How long it is for rent on the average day: the minutes of a week, counted once."""
    if not spans:
        return 24.0
    monday = datetime(2024, 1, 1)
    minutes = (monday + timedelta(minutes=minute) for minute in range(7 * _DAY_MINUTES))
    return sum(is_open(spans, minute) for minute in minutes) / 60 / 7


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > _DAY_MINUTES:
        raise ValueError(f"{text} is no time of day: expected 00:00 to 24:00")
    return minute


def _days(text: str | None) -> frozenset[int]:
    if not text:
        return frozenset(range(7))
    return frozenset(day for part in text.split(",") for day in _range(part.strip()))


def _range(text: str) -> Iterable[int]:
    """ "mon" or "fri-mon", which goes over the end of the week."""
    first, dash, last = (part.strip() for part in text.partition("-"))
    for name in (first, last) if dash else (first,):
        if name not in DAYS:
            raise ValueError(f"{name!r} is no day: expected {', '.join(DAYS)}")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return ((start + step) % 7 for step in range((end - start) % 7 + 1))
