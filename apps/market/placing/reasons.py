"""Why this offer and not a cheaper one, in sentences: "0x12.. was 4 % cheaper but lost 2 of 9 agreements"."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from apps.market.needs import Need
from apps.market.placing.book import Book, Ints, thousandths
from apps.market.placing.conditions import ROUNDING, conditions
from apps.market.placing.listing import Choice
from apps.market.placing.standing import Standing, standing
from apps.market.placing.strategies import strategy_of
from apps.market.placing.strategies.base import percent_below
from apps.market.words import six_digits

LOOKED_AT = 12
"""So many of the cheapest that were passed over are looked at,"""
TOLD = 3
"""and so many told of."""
SHARED = {
    "node": "has one of its group already",
    "owner": "is of an owner who has one of its group already",
    "region": "is in a region that has one of its group already",
}


class Reasons:
    """For the replicas of one need, as things stand when all are placed.

    `free` is what is left of each node by then; `siblings` are the listings that its replicas took.
    """

    def __init__(
        self, book: Book, need: Need, *, free: Ints | None = None, siblings: Sequence[int] = ()
    ) -> None:
        self._book, self._need = book, need
        self._free = book.free if free is None else free
        self._siblings = siblings
        self._size = thousandths(need.size)

    def of(self, choice: Choice) -> list[str]:
        """The choice's own merit first, then what cheaper ones lacked."""
        passed = self._passed_over(choice)
        price, number = six_digits(choice.per_hour_glm), len(self._by_price)
        merit = f"the {strategy_of(self._need).praise(choice, self._need)}{' left' if passed else ''}"
        if passed.pop("", None):
            merit = "one"
        told = [self._told(choice, lack, *places) for lack, places in list(passed.items())[:TOLD]]
        offers = "1 offer that meets" if number == 1 else f"{number} offers that meet"
        return [f"{merit} of {offers} what is asked: {price} GLM/h", *told]

    def _passed_over(self, choice: Choice) -> dict[str, list[int]]:
        """The cheaper ones, by their places in the order of price, by what they lacked; "" is nothing."""
        price = float(choice.per_hour_glm) * (1 - ROUNDING)
        below = int(np.searchsorted(self._prices, price))
        seen, passed = {self._book.nodes.get(choice.offer.node_id)}, dict[str, list[int]]()
        for place, one in enumerate(self._by_price[: min(below, LOOKED_AT)].tolist()):
            if (node := int(self._book.node[one])) not in seen:
                seen.add(node)
                passed.setdefault(self._lack(one, choice), []).append(place)
        return passed

    def _told(self, choice: Choice, lack: str, cheapest: int, *others: int) -> str:
        """One sentence for each cause, with the cheapest as its example."""
        offer = self._book.listings[int(self._by_price[cheapest])]
        cheaper = percent_below(float(self._prices[cheapest]), float(choice.per_hour_glm))
        return f"{offer.short} was {cheaper} but {lack}" + (f", as {len(others)} more" if others else "")

    def _lack(self, one: int, choice: Choice) -> str:
        stands, book = self._stands, self._book
        if stands.avoided[one]:
            return "failed it lately"
        if stands.far[one]:
            return "is not beside those it belongs to"
        for by, counts in zip(stands.levels, self._crowd, strict=True):
            mine = book.numbers([choice.offer.node_id], by)
            others = int(counts[mine[0]]) - bool(self._siblings) if mine else 0
            if counts[book.level(by)[one]] > others:
                return SHARED[by]
        if (self._free[book.node[one]] < self._size).any():
            return "has no room left"
        if book.is_newcomer[one] and not choice.offer.is_newcomer and self._newcomers_left <= 0:
            return "is new here, and enough of the group is on newcomers"
        return strategy_of(self._need).lack(book.listings[one], choice.offer)

    @cached_property
    def _stands(self) -> Standing:
        return standing(self._book, self._need, count=max(len(self._siblings), 1))

    @cached_property
    def _newcomers_left(self) -> int:
        return self._stands.newcomers_left - int(self._book.is_newcomer[list(self._siblings)].sum())

    @cached_property
    def _crowd(self) -> list[Ints]:
        """Of each level, how many of its group are in each place, those placed just now among them."""
        crowd = [counts.copy() for counts in self._stands.crowd]
        for by, counts in zip(self._stands.levels, crowd, strict=True):
            np.add.at(counts, self._book.level(by)[list(self._siblings)], 1)
        return crowd

    @cached_property
    def _by_price(self) -> Ints:
        """What meets all that is asked but room, the cheapest first."""
        met = np.ones(len(self._book), dtype=np.bool_)
        for condition in conditions(self._book, self._need, self._book.size):
            met &= condition.met
        among = np.flatnonzero(met)
        return among[np.argsort(self._book.per_hour(self._need.cpu_threads)[among], kind="stable")]

    @cached_property
    def _prices(self) -> np.ndarray:
        return self._book.per_hour(self._need.cpu_threads)[self._by_price]


def because(book: Book, need: Need, choice: Choice) -> list[str]:
    """Of one choice, as the book stands before it is taken."""
    return Reasons(book, need).of(choice)
