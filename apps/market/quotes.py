"""What replicas would cost if they were placed now: the market's part of a plan. Nothing is reserved."""

from __future__ import annotations

from collections.abc import Iterable

from apps.market.book import Book
from apps.market.needs import Need, Want
from apps.market.offers import live_book
from apps.market.placing import Placement as Quote
from apps.market.placing import place

__all__ = ["Quote", "quotes", "quotes_together"]


def quotes(book: Book, need: Need, *, count: int) -> list[Quote]:
    """One quote per replica, spread as the need says."""
    return place(book, [Want(need, count)])[0]


def quotes_together(wants: Iterable[tuple[Need, int]]) -> list[list[Quote]]:
    """For each need so many quotes as are asked for; what one takes the next can't have."""
    return place(live_book(), [Want(need, count) for need, count in wants])
