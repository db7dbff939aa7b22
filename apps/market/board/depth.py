"""How much there is at which price: the steps of the book. Plain functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, groupby, islice

from apps.market.board.lots import Lot
from apps.money import ZERO

MOST_STEPS = 12


@dataclass(frozen=True, slots=True)
class Step:
    """What can be had at most at this price: one thread, busy for an hour."""

    thread_hour_glm: Decimal
    offers: int
    cpu_threads: Decimal
    cpu_threads_free: Decimal


def depth(lots: Iterable[Lot], *, most: int = MOST_STEPS) -> list[Step]:
    """Rising prices, each with all that asks so much or less. Of many prices only some are told, the first
    and the last among them."""
    by_price = sorted(lots, key=_price)
    told = [(price, list(each)) for price, each in groupby(by_price, key=_price)]
    totals = accumulate((_sum(price, each) for price, each in told), _together)
    return _thinned(list(totals), most)


def _price(lot: Lot) -> Decimal:
    return lot.thread_hour_glm


def _sum(price: Decimal, lots: Sequence[Lot]) -> Step:
    threads = sum((lot.cpu_threads for lot in lots), ZERO)
    return Step(price, len(lots), threads, sum((lot.cpu_threads_free for lot in lots), ZERO))


def _together(below: Step, step: Step) -> Step:
    return Step(
        step.thread_hour_glm,
        below.offers + step.offers,
        below.cpu_threads + step.cpu_threads,
        below.cpu_threads_free + step.cpu_threads_free,
    )


def _thinned(steps: Sequence[Step], most: int) -> list[Step]:
    if len(steps) <= most:
        return list(steps)
    places = sorted({round(number * (len(steps) - 1) / (most - 1)) for number in range(most)})
    return [steps[place] for place in islice(places, most)]
