"""As many different regions and owners as there are: none of them takes many replicas down with it."""

from __future__ import annotations

from typing import ClassVar

from apps.market.models import Spread as By
from apps.market.needs import Need
from apps.market.placing.book import Book, Floats
from apps.market.placing.listing import Choice
from apps.market.placing.strategies.base import Strategy


class Spread(Strategy):
    apart_by: ClassVar[tuple[str, ...]] = (By.REGION, By.OWNER)

    def score(self, book: Book, need: Need) -> Floats:
        return book.per_hour(need.cpu_threads)

    def praise(self, choice: Choice, need: Need) -> str:
        return "cheapest that shares the least with its siblings"
