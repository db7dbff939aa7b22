"""When a delivery that failed is tried again, and when it is given up. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

PAUSES_S = (5, 30, 120, 600, 1800, 3600, 7200, 14400)
"""After the first failure, the second, …; the last one from then on."""
GONE = 410
"""By it a receiver says that it wants no more (RFC 9110, section 15.5.11)."""


def next_try(tries: int, *, now: datetime, deadline_at: datetime) -> datetime | None:
    """When to try again after so many tries; None when that would be too late."""
    at = now + timedelta(seconds=PAUSES_S[min(tries, len(PAUSES_S)) - 1])
    return at if at <= deadline_at else None
