"""Whether the whole gets cheaper when replicas that were placed change places."""

from __future__ import annotations

from collections.abc import Sequence

from apps.market.book import Book, Ints
from apps.market.seating import Seats


def better(book: Book, seats: Sequence[Seats], free: Ints) -> None:
    return None
