"""Whether the whole gets cheaper when replicas that were placed change places: a short local search.

A replica goes to a cheaper node that has room by now; or to one where somebody else's replica makes room by
going to the next best place of its own, if that costs less than is saved. Nobody's wishes are met less than
before: `Seats.open_to` sees to that. Only who wants nothing but the lowest price takes part, and whom nobody
else wants to be beside.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from apps.market.models import Strategy
from apps.market.placing.book import Floats, Ints
from apps.market.placing.seating import Seats

SWEEPS = 2
"""A third finds a ten-thousandth of the price more."""
TRIES = 3
"""So many goals a replica tries in one sweep: what they cost is an estimate until it does."""
WORTH_IT = 1e-12
"""GLM an hour: less is rounding."""

Seat = tuple[Seats, int]
"""Whose replica, and on which place of its `among`."""


def better(seats: Sequence[Seats], free: Ints) -> None:
    settled = _settled_groups(seats)
    movers = [
        each for each in seats if each.need.strategy == Strategy.CHEAPEST and each.need.group not in settled
    ]
    search = _Search(movers, free)
    for _ in range(SWEEPS):
        if not sum(search.sweep(each) for each in movers):
            return


def _settled_groups(seats: Sequence[Seats]) -> set[str]:
    """Where they are decides where others are: beside them, or apart from them."""
    shared = Counter(each.need.group for each in seats if each.need.group)
    wanted = {each.need.affinity.group for each in seats if each.need.affinity}
    return wanted | {group for group, times in shared.items() if times > 1}


class _Search:
    def __init__(self, movers: Sequence[Seats], free: Ints) -> None:
        self._free = free
        self._on: dict[int, list[Seat]] = defaultdict(list)
        self._next: dict[tuple[int, ...], float] = {}
        for each in movers:
            for one in each.taken:
                self._on[each.node(one)].append((each, one))

    def sweep(self, mine: Seats) -> int:
        """How many replicas of one service found something better, the dearest first."""
        if not mine.taken:
            return 0
        self._next.clear()
        dearest = max(mine.taken)
        with self._away(mine, dearest):
            entry = self._prices_of_entry(mine, slice(dearest))
        return sum(self._improve(mine, one, entry) for one in sorted(mine.taken, reverse=True))

    def _improve(self, mine: Seats, one: int, entry: Floats) -> bool:
        for _ in range(TRIES):
            cheaper = np.where(mine.open_to(one, slice(one)), entry[:one], np.inf)
            if not one or cheaper.min() >= mine.prices[one] - WORTH_IT:
                return False
            goal = int(cheaper.argmin())
            if self._go(mine, one, goal):
                return True
            entry[goal] = np.inf
        return False

    def _go(self, mine: Seats, one: int, goal: int) -> bool:
        if mine.has_room(goal):
            self._move(mine, one, goal)
            return True
        if leaver := self._leaver(mine, one, goal):
            self._move(mine, one, goal)
            self._move(*leaver)
            return True
        return False

    def _leaver(self, mine: Seats, one: int, goal: int) -> tuple[Seats, int, int] | None:
        """Who goes from there, and where to: perhaps to where this one comes from."""
        saved = mine.prices[one] - mine.prices[goal] - WORTH_IT
        with self._away(mine, one):
            for other, theirs in self._in_the_way(mine, goal):
                to = other.next_open(theirs, but=mine.node(goal))
                if to is not None and other.prices[to] - other.prices[theirs] < saved:
                    return other, theirs, to
        return None

    @contextmanager
    def _away(self, mine: Seats, one: int) -> Iterator[None]:
        """As if that replica were not there."""
        self._free[mine.node(one)] += mine.size
        yield
        self._free[mine.node(one)] -= mine.size

    def _in_the_way(self, mine: Seats, goal: int) -> Iterator[Seat]:
        """Whose leaving alone would make room."""
        left = self._free[mine.node(goal)]
        for other, theirs in self._on[mine.node(goal)]:
            if other is not mine and (left + other.size >= mine.size).all():
                yield other, theirs

    def _prices_of_entry(self, mine: Seats, places: slice) -> Floats:
        """What it costs to go to each, with what others pay for leaving it; infinite where nobody can."""
        prices = np.where(mine.rooms(places), mine.prices[places], np.inf)
        for place in np.flatnonzero(np.isinf(prices)).tolist():
            leaving = [self._cost_of_leaving(*seat) for seat in self._in_the_way(mine, place)]
            prices[place] = mine.prices[place] + min(leaving, default=np.inf)
        return prices

    def _cost_of_leaving(self, other: Seats, one: int) -> float:
        """About: reckoned once for all that have the same choice."""
        key = (id(other), *other.kind_of(one))
        if key not in self._next:
            to = other.next_open(one)
            self._next[key] = np.inf if to is None else float(other.prices[to])
        return self._next[key] - float(other.prices[one])

    def _move(self, whose: Seats, one: int, to: int) -> None:
        self._on[whose.node(one)].remove((whose, one))
        self._on[whose.node(to)].append((whose, to))
        whose.move(one, to)
