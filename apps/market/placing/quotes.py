"""What replicas would cost if they were placed now: the market's part of a plan. Nothing is reserved."""

from __future__ import annotations

from apps.market.needs import Need, Want
from apps.market.placing.book import Book
from apps.market.placing.place import Placement as Quote
from apps.market.placing.place import place

__all__ = ["Quote", "quotes"]


def quotes(book: Book, need: Need, *, count: int) -> list[Quote]:
    """One quote per replica, spread as the need says."""
    return place(book, [Want(need, count)])[0]
