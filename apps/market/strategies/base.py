"""What every strategy can be asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from apps.market.book import Book, Floats
from apps.market.listing import Choice
from apps.market.needs import Need

LAST = 1e12
"""Added to the score of whom the strategy knows nothing about: after all others, by price."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A cheaper offer that was passed over."""

    choice: Choice
    cause: str = ""
    """Why, when that was no affair of the strategy: it is full, a sibling is there."""


class Strategy(ABC):
    apart_by: ClassVar[tuple[str, ...]] = ()
    """By what else than asked it keeps a group apart."""

    @abstractmethod
    def score(self, book: Book, need: Need) -> Floats:
        """Of each listing: the less the better; among equals the lower price is taken."""

    @abstractmethod
    def praise(self, choice: Choice, need: Need) -> str:
        """What speaks for the choice, after `the ...`."""

    def lack(self, passed: Choice, choice: Choice, need: Need) -> str:
        """What spoke against one that was cheaper, after `but ...`; "" when nothing did."""
        return ""


def percent_cheaper(passed: Choice, choice: Choice) -> str:
    """`4 % cheaper`."""
    if not choice.per_hour_glm:
        return "as cheap"
    saved = (1 - passed.per_hour_glm / choice.per_hour_glm) * 100
    return f"{saved:.0f} % cheaper" if saved >= 1 else f"{max(saved, Decimal('0.1')):.1f} % cheaper"
