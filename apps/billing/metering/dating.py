"""When a report counts: where it ended by its own account, but never after it came in.

A Bee dates its reports, so it could date one in a century; it is then paid for what has passed at most, and
that belongs to the day on which it came in: on that month's invoice, under that day's limits.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q


def counts_until(instant: datetime) -> Q:
    """Of UsageRecords, those that count until then."""
    return Q(ended_at_ms__lte=_ms(instant)) | Q(received_at__lte=instant)


def counts_after(instant: datetime) -> Q:
    """The others."""
    return Q(ended_at_ms__gt=_ms(instant)) & Q(received_at__gt=instant)


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
