"""What every strategy can be asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from apps.market.needs import Need
from apps.market.placing.book import Book, Floats
from apps.market.placing.listing import Choice, Listing

LAST = 1e12
"""Added to the score of whom the strategy knows nothing about: after all others, by price."""


class Strategy(ABC):
    apart_by: ClassVar[tuple[str, ...]] = ()
    """By what else than asked it keeps a group apart."""

    @abstractmethod
    def score(self, book: Book, need: Need) -> Floats:
        """Of each listing: the less the better; among equals the lower price is taken."""

    @abstractmethod
    def praise(self, choice: Choice, need: Need) -> str:
        """What speaks for the choice, after `the ...`."""

    def lack(self, passed: Listing, chosen: Listing) -> str:
        """What spoke against one that was cheaper, after `but ...`; "" when nothing did."""
        return ""


def percent_cheaper(passed: Choice, choice: Choice) -> str:
    """`4 % cheaper`."""
    return percent_below(float(passed.per_hour_glm), float(choice.per_hour_glm))


def percent_below(passed_glm: float, chosen_glm: float) -> str:
    if not chosen_glm:
        return "as cheap"
    saved = (1 - passed_glm / chosen_glm) * 100
    return f"{saved:.0f} % cheaper" if saved >= 1 else f"{max(saved, 0.1):.1f} % cheaper"
