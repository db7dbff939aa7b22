"""When nothing fits: why not, and the nearest thing that would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from apps.market.needs import Need
from apps.market.placing.book import HOUR_S, THOUSANDTHS, Book, Ints, exact
from apps.market.placing.conditions import ROUNDING, SIZES, Condition, conditions, has_room, told
from apps.market.placing.listing import Choice
from apps.market.words import enough
from apps.money import plain

LEAST_GLM = 1e-18
"""A limit of nothing is not divided by."""


@dataclass(frozen=True, slots=True)
class Near:
    """An offer that would do if a little less were asked."""

    choice: Choice
    need: Need
    """What would have to be asked for."""
    instead: list[str]
    """The difference, in words: `2 CPU threads instead of 4`."""

    def __str__(self) -> str:
        offer, price = self.choice.offer, enough(self.choice.per_hour_glm)
        return f"with {' and '.join(self.instead)} it fits bee {offer.name} ({offer.short}) at {price} GLM/h"


def nearest(book: Book, need: Need, *, free: Ints | None = None) -> Near | None:
    """What lacks the fewest conditions, of those the least, of those the cheapest.

    None when something fits as it is, or when nothing that the asker could change would help. `free` is
    what is left of each node, if others were placed meanwhile.
    """
    if not len(book):
        return None
    free = book.free if free is None else free
    have = np.minimum(book.size, free[book.node])
    asked = [*conditions(book, need, have), *_price(book, need, have)]
    gaps = np.stack([each.gap for each in asked])
    short, total = (gaps > 0).sum(axis=0), gaps.sum(axis=0)
    order = np.lexsort([book.per_hour(need.cpu_threads), total, short + np.isinf(total) * len(asked)])
    one = int(order[0])
    if np.isinf(total[one]) or not short[one]:
        return None
    return _near(book, need, one, [each for each in asked if each.gap[one] > 0])


def why_nothing_fits(book: Book, need: Need, *, free: Ints | None = None) -> str:
    """One sentence for the person who waits: what is asked and what there is."""
    if not len(book):
        return "no bee that takes work is online with an offer"
    free = book.free if free is None else free
    among = np.arange(len(book))
    for condition in conditions(book, need, book.size):
        left = among[condition.met[among]]
        if not len(left):
            return condition.why(among)
        among = left
    return _why_full(book, need, among, free)


def _why_full(book: Book, need: Need, among: Ints, free: Ints) -> str:
    if has_room(book, need, free)[among].any():
        return "every bee that could is taken"
    most = free[book.node[among]].max(axis=0).tolist()
    asked = {"cpu_threads", "mem_gib"} | {name for name in SIZES if getattr(need, name)}
    parts = [told(name, much) for name, much in zip(SIZES, map(exact, most), strict=True) if name in asked]
    return f"every bee that could is full: at most {', '.join(parts[:-1])} and {parts[-1]} are free"


def _price(book: Book, need: Need, have: Ints) -> Iterator[Condition]:
    """Of as many threads as there would be."""
    limit = need.max_price_per_hour_glm
    if limit is None:
        return
    threads = np.minimum(float(need.cpu_threads), have[:, 0] / THOUSANDTHS)
    asked = (book.figure("second_glm") + book.figure("cpu_second_glm") * threads) * HOUR_S
    over = asked / max(float(limit), LEAST_GLM) - 1

    def exactly(one: int) -> Decimal:
        return book.price_of(one).per_hour_glm(min(need.cpu_threads, exact(have[one, 0])))

    for one in np.flatnonzero(np.abs(over) <= ROUNDING).tolist():  # a float can't tell
        over[one] = ROUNDING if exactly(one) > limit else 0.0
    yield Condition(
        gap=np.maximum(over, 0.0),
        why=lambda _: "every offer that fits is above the limit",
        relaxed=lambda need, one: replace(
            need, max_price_per_hour_glm=book.price_of(one).per_hour_glm(need.cpu_threads)
        ),
        instead=lambda one: f"{enough(exactly(one))} GLM/h instead of at most {plain(limit)}",
    )


def _near(book: Book, need: Need, one: int, short: list[Condition]) -> Near:
    relaxed = need
    for condition in short:
        relaxed = condition.relaxed(relaxed, one)
    return Near(
        choice=book.choice(one, relaxed.cpu_threads),
        need=relaxed,
        instead=[condition.instead(one) for condition in short],
    )
