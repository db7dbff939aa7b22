"""One service's replicas placed one after the other, each on the best that is left.

The order of `matching.in_order` changes with each replica that is placed: its node, owner and region become
less welcome, and in the end newcomers do. Offers that all this can't tell apart stand in one line, best
first, so that only the heads of the lines have to be compared: a heap of few, however large the book is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property
from heapq import heapify, heappop, heappush

import numpy as np

from apps.market.models import Spread
from apps.market.needs import Need, Want
from apps.market.placing.book import Book, Ints, Mask, thousandths
from apps.market.placing.conditions import is_within_limit
from apps.market.placing.matching import by_merit
from apps.market.placing.standing import standing

Key = tuple[int, ...]

AT_ONCE = 512
"""Places looked at together: who looks for the best seldom has to look further."""


class Seats:
    """The places that the replicas of one want may take, best first, and those that they have taken.

    A place is an index of `among`, which holds the numbers of listings: at most one of each node.
    """

    def __init__(self, book: Book, want: Want, fit: Mask, free: Ints) -> None:
        """`fit` are the listings that meet all conditions but price; `free` is counted down."""
        self.need, self.count, self.size = want.need, want.count, thousandths(want.need.size)
        self.among = one_a_node(book, self.need, fit & is_within_limit(book, self.need))
        self.prices = book.per_hour(self.need.cpu_threads)[self.among]
        self.taken: list[int] = []
        self._free = free
        self._nodes = book.node[self.among]
        self._stands = stands = standing(book, want.need, count=want.count)
        self._unwelcome = stands.avoided[self.among] * 2 + stands.far[self.among]
        self._is_new = book.is_newcomer[self.among]
        self._newcomers_left = stands.newcomers_left
        self._levels = [
            (book.level(by)[self.among], here.copy())
            for by, here in zip(stands.levels, stands.crowd, strict=True)
        ]

    @property
    def listings(self) -> list[int]:
        return [int(self.among[one]) for one in self.taken]

    def node(self, one: int) -> int:
        return int(self._nodes[one])

    # -- one after the other --------------------------------------------------------------------------------

    def fill(self) -> None:
        """As many as find a place."""
        heads, self._behind = _lines(self._kinds)
        self._called = set(heads.tolist())
        self._heap: list[tuple[Key, int]] = [(self._key(one), one) for one in heads.tolist()]
        heapify(self._heap)
        while len(self.taken) < self.count and (one := self._best()) is not None:
            self._count(one, 1)
            heappush(self._heap, (self._key(one), one))

    def _best(self) -> int | None:
        while self._heap:
            key, one = heappop(self._heap)
            now = self._key(one)
            if now > key:
                heappush(self._heap, (now, one))
                continue
            self._call_behind(one)
            if self._serves(one):
                return one
        return None

    def _serves(self, one: int) -> bool:
        if self.need.spread_required and self._crowd(one)[0]:
            return False
        return self.has_room(one)

    def _call_behind(self, one: int) -> None:
        """Who stands behind somebody who was served, or sent away, is looked at next."""
        behind = int(self._behind[one])
        if behind >= 0 and behind not in self._called:
            self._called.add(behind)
            heappush(self._heap, (self._key(behind), behind))

    def _key(self, one: int) -> Key:
        """The less the better; it never falls while replicas are placed."""
        over = self._newcomers_left <= 0 and bool(self._is_new[one])
        return (int(self._unwelcome[one]), *self._crowd(one), int(over), one)

    def _crowd(self, one: int) -> list[int]:
        return [int(here[places[one]]) for places, here in self._levels]

    @cached_property
    def _kinds(self) -> list[Ints]:
        """What makes one place less welcome than another, before or while replicas are placed."""
        nodes, crowd = self._levels[self._stands.levels.index(Spread.NODE)]
        wider = [places for places, here in self._levels if places is not nodes]
        return [self._unwelcome, self._is_new.astype(np.int64), crowd[nodes], *wider]

    # -- changing places ------------------------------------------------------------------------------------

    def has_room(self, one: int) -> bool:
        return bool((self._free[self._nodes[one]] >= self.size).all())

    def rooms(self, to: slice) -> Mask:
        fine: Mask = np.all(self._free[self._nodes[to]] >= self.size, axis=1)
        return fine

    def open_to(self, one: int, to: slice) -> Mask:
        """Which of these places a replica may take instead of its own, with no wish met less than now."""
        fine = self._unwelcome[to] <= self._unwelcome[one]
        if not self._is_new[one] and self._newcomers_left <= 0:
            fine &= ~self._is_new[to]
        for places, here in self._levels:
            fine &= (places[to] == places[one]) | (here[places[to]] < here[places[one]])
        return fine & (self._nodes[to] != self._nodes[one])

    def next_open(self, one: int, *, but: int = -1) -> int | None:
        """The best other place with room, if it is not on the node `but`."""
        for begin in range(0, len(self.among), AT_ONCE):
            these = slice(begin, begin + AT_ONCE)
            fine = self.open_to(one, these) & self.rooms(these) & (self._nodes[these] != but)
            if fine.any():
                return begin + int(fine.argmax())
        return None

    def kind_of(self, one: int) -> tuple[int, ...]:
        """Replicas of the same kind have the same choice of other places."""
        return tuple(int(column[one]) for column in self._kinds)

    def move(self, one: int, to: int) -> None:
        self._count(one, -1)
        self._count(to, 1)

    def _count(self, one: int, by: int) -> None:
        if by > 0:
            self.taken.append(one)
        else:
            self.taken.remove(one)
        self._free[self._nodes[one]] -= self.size * by
        self._newcomers_left -= int(self._is_new[one]) * by
        for places, here in self._levels:
            here[places[one]] += by


def one_a_node(book: Book, need: Need, fit: Mask) -> Ints:
    """The best listing of each node, all in the order of their merit."""
    among = np.flatnonzero(fit)
    among = among[np.lexsort(by_merit(book, need, among))]
    first = np.unique(book.node[among], return_index=True)[1]
    return among[np.sort(first)]


def _lines(kinds: Sequence[Ints]) -> tuple[Ints, Ints]:
    """The heads of the lines, and who stands behind each; -1 is nobody."""
    kind = np.zeros(len(kinds[0]), dtype=np.int64)
    for column in kinds:
        kind = kind * (int(column.max(initial=0)) + 1) + column
    order = np.argsort(kind, kind="stable")
    same = kind[order][1:] == kind[order][:-1]
    behind = np.full(len(kind), -1, dtype=np.int64)
    behind[order[:-1][same]] = order[1:][same]
    return order[np.concatenate(([True], ~same))] if len(order) else order, behind


def beside(need: Need, siblings: Collection[str], neighbours: Collection[str]) -> Need:
    """The same, knowing where others of its group were placed just now, and those it belongs to."""
    if not siblings and not neighbours:
        return need
    return replace(
        need,
        beside_nodes=(*need.beside_nodes, *siblings),
        near_nodes=frozenset(need.near_nodes) | set(neighbours),
    )
