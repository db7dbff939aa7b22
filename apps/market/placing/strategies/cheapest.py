"""The lowest price per hour."""

from __future__ import annotations

from apps.market.needs import Need
from apps.market.placing.book import Book, Floats
from apps.market.placing.listing import Choice
from apps.market.placing.strategies.base import Strategy


class Cheapest(Strategy):
    def score(self, book: Book, need: Need) -> Floats:
        return book.per_hour(need.cpu_threads)

    def praise(self, choice: Choice, need: Need) -> str:
        return "cheapest"
