"""One service's replicas placed one after the other, each on the best that is left.

The order of `matching.in_order` changes with each replica that is placed: its node, owner and region become
less welcome, and in the end newcomers do. Offers that all this can't tell apart stand in one line, best
first, so that only the heads of the lines have to be compared: a heap of few, however large the book is.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heapify, heappop, heappush

import numpy as np

from apps.market.book import Book, Ints, Mask, choice_of, thousandths
from apps.market.conditions import is_within_limit
from apps.market.matching import by_merit, within_limit
from apps.market.needs import Need, Want
from apps.market.standing import Standing, standing

Key = tuple[int, ...]


class Seats:
    """Where the replicas of one want are, by the numbers of their listings, and where they might be."""

    def __init__(self, book: Book, want: Want, fit: Mask, free: Ints) -> None:
        """`fit` are the listings that meet all conditions but room and price; `free` is counted down."""
        self.book, self.need, self.count, self.free = book, want.need, want.count, free
        self.size = thousandths(want.need.size)
        self.stands = standing(book, want.need, count=want.count)
        self.among = _one_a_node(book, self.need, fit & is_within_limit(book, self.need))
        self.taken: list[int] = []
        self._counts = [here.copy() for here in self.stands.crowd]
        self._places = [book.level(by) for by in self.stands.levels]
        self._newcomers_left = self.stands.newcomers_left

    def fill(self) -> None:
        """As many as find a place."""
        heads, behind = _lines(self.book, self.stands, self.among)
        self._behind, self._called = behind, set(heads.tolist())
        self._heap: list[tuple[Key, int]] = [(self._key(one), one) for one in heads.tolist()]
        heapify(self._heap)
        while len(self.taken) < self.count and (one := self._next()) is not None:
            self._seat(one)

    def _next(self) -> int | None:
        """The place in `among` of the best that is left."""
        while self._heap:
            key, one = heappop(self._heap)
            now = self._key(one)
            if now > key:
                heappush(self._heap, (now, one))
            else:
                self._call_behind(one)
                if self._serves(one):
                    return one
        return None

    def _serves(self, one: int) -> bool:
        listing = int(self.among[one])
        if self.need.spread_required and self._counts[0][self._places[0][listing]]:
            return False
        if (self.free[self.book.node[listing]] < self.size).any():
            return False
        return within_limit(choice_of(self.book.listings[listing], self.need), self.need)

    def _seat(self, one: int) -> None:
        listing = int(self.among[one])
        self.taken.append(listing)
        self.free[self.book.node[listing]] -= self.size
        for counts, places in zip(self._counts, self._places, strict=True):
            counts[places[listing]] += 1
        self._newcomers_left -= int(self.book.is_newcomer[listing])
        heappush(self._heap, (self._key(one), one))

    def _call_behind(self, one: int) -> None:
        """Who stands behind somebody who was served, or sent away, is looked at next."""
        behind = int(self._behind[one])
        if behind >= 0 and behind not in self._called:
            self._called.add(behind)
            heappush(self._heap, (self._key(behind), behind))

    def _key(self, one: int) -> Key:
        """The less the better; it never falls while replicas are placed."""
        listing = int(self.among[one])
        stands, here = self.stands, zip(self._counts, self._places, strict=True)
        over = self._newcomers_left <= 0 and bool(self.book.is_newcomer[listing])
        crowd = (int(counts[places[listing]]) for counts, places in here)
        return (int(stands.avoided[listing]), int(stands.far[listing]), *crowd, int(over), one)


def _one_a_node(book: Book, need: Need, fit: Mask) -> Ints:
    """The best listing of each node, all in the order of their merit."""
    among = np.flatnonzero(fit)
    among = among[np.lexsort(by_merit(book, need, among))]
    first = np.unique(book.node[among], return_index=True)[1]
    return among[np.sort(first)]


def _lines(book: Book, stands: Standing, among: Ints) -> tuple[Ints, Ints]:
    """The heads of the lines, and who stands behind each; -1 is nobody."""
    kind = np.zeros(len(among), dtype=np.int64)
    for column in _differences(book, stands, among):
        kind = kind * (int(column.max(initial=0)) + 1) + column
    order = np.argsort(kind, kind="stable")
    same = kind[order][1:] == kind[order][:-1]
    behind = np.full(len(among), -1, dtype=np.int64)
    behind[order[:-1][same]] = order[1:][same]
    return order[np.concatenate(([True], ~same))] if len(order) else order, behind


def _differences(book: Book, stands: Standing, among: Ints) -> list[Ints]:
    """What makes one listing less welcome than another before or while replicas are placed."""
    nodes = stands.crowd[stands.levels.index("node")]
    columns = [stands.avoided, stands.far, book.is_newcomer, nodes[book.node]]
    wider = [book.level(by) for by in stands.levels if by != "node"]
    return [column[among].astype(np.int64) for column in [*columns, *wider]]


def beside(need: Need, siblings: set[str], neighbours: set[str]) -> Need:
    """The same, knowing where others of its group were placed just now, and those it belongs to."""
    if not siblings and not neighbours:
        return need
    return replace(
        need,
        beside_nodes=frozenset(need.beside_nodes) | siblings,
        near_nodes=frozenset(need.near_nodes) | neighbours,
    )
