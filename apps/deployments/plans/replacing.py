"""Successors in the room of those they replace: sold while the plan is drawn up, and free when they come.

Each replica of a changed service is let go before its successor looks for a place. So where nothing else is
left, it can go where its predecessor was: if the company it finds there is what it asks for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from apps.deployments.models import Assignment
from apps.market.needs import Need, Want
from apps.market.placing.book import Book, thousandths
from apps.market.placing.place import place
from apps.market.placing.quotes import Quote
from apps.market.placing.seating import beside


def in_place(
    book: Book, quotes: Mapping[str, Quote], needs: Mapping[str, Need], leaving: Mapping[str, Assignment]
) -> dict[str, Quote]:
    """The quotes of those that found no place and do find one there; all by the names of replicas."""
    return _Swapping(book, quotes, needs, leaving).swaps()


class _Swapping:
    def __init__(
        self,
        book: Book,
        quotes: Mapping[str, Quote],
        needs: Mapping[str, Need],
        leaving: Mapping[str, Assignment],
    ) -> None:
        self._needs = needs
        self._leaving = {name: one for name, one in leaving.items() if name in quotes}
        self._stuck = [name for name in self._leaving if quotes[name].node_id is None]
        self._left = book.with_free(book.free.copy())
        self._coming: dict[str, dict[str, str]] = defaultdict(dict)
        """By group and replica: the nodes where those are that have found a place."""
        for name, quote in quotes.items():
            if quote.node_id:
                self._take(name, quote.node_id)

    def swaps(self) -> dict[str, Quote]:
        """Who waits for another's place is asked again when that one has found it."""
        found: dict[str, Quote] = {}
        while more := {name: quote for name in self._stuck if (quote := self._swapped(name))}:
            found |= more
            self._stuck = [name for name in self._stuck if name not in found]
        return found

    def _swapped(self, name: str) -> Quote | None:
        """Counts the room as swapped when it can be."""
        need, assignment = self._needs[name], self._leaving[name]
        node_id = assignment.node_id
        if node_id not in self._left.nodes:
            return None
        if need.allowed_nodes is not None and node_id not in need.allowed_nodes:
            return None
        number, mine = self._left.nodes[node_id], thousandths(assignment.agreement.size)
        self._left.free[number] += mine
        there = replace(self._in_company(name), allowed_nodes={node_id})
        [[quote]] = place(self._left, [Want(there)])
        if quote.node_id is None:
            self._left.free[number] -= mine
            return None
        self._take(name, node_id)
        return replace(quote, because=["it takes the room of the one that it replaces, when that has left"])

    def _in_company(self, name: str) -> Need:
        """They leave one at a time, in no certain order: a sibling may be where it was, or where it goes."""
        need = self._needs[name]
        siblings = [node_id for other, node_id in self._coming[need.group].items() if other != name]
        siblings += [
            one.node_id
            for other, one in self._leaving.items()
            if other != name and self._needs[other].group == need.group
        ]
        near = self._coming[need.affinity.group].values() if need.affinity else ()
        return beside(need, siblings, list(near))

    def _take(self, name: str, node_id: str) -> None:
        self._left.take(node_id, self._needs[name].size)
        self._coming[self._needs[name].group][name] = node_id
