"""Successors in the room of those they replace: sold while the plan is drawn up, and free when they come.

Each replica of a changed service is let go before its successor looks for a place. So where nothing else is
left, it can go where its predecessor was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from apps.deployments.models import Assignment
from apps.market.needs import Need, Want
from apps.market.placing.book import Book, thousandths
from apps.market.placing.place import place
from apps.market.placing.quotes import Quote


def in_place(
    book: Book, quotes: Mapping[str, Quote], needs: Mapping[str, Need], leaving: Mapping[str, Assignment]
) -> dict[str, Quote]:
    """The quotes of those that found no place and do find one there; all by the names of replicas."""
    left = book.with_free(book.free.copy())
    for name, quote in quotes.items():
        if quote.node_id:
            left.take(quote.node_id, needs[name].size)
    found = {}
    for name in leaving:
        if name in quotes and quotes[name].node_id is None:
            swapped = _swapped(left, needs[name], leaving[name])
            if swapped is not None:
                found[name] = swapped
    return found


def _swapped(left: Book, need: Need, assignment: Assignment) -> Quote | None:
    """Counts the room as swapped when it can be."""
    node_id = assignment.node_id
    if node_id not in left.nodes or (need.allowed_nodes is not None and node_id not in need.allowed_nodes):
        return None
    number, mine = left.nodes[node_id], thousandths(assignment.agreement.size)
    left.free[number] += mine
    [[quote]] = place(left, [Want(replace(need, allowed_nodes={node_id}))])
    if quote.node_id is None:
        left.free[number] -= mine
        return None
    left.take(node_id, need.size)
    return replace(quote, because=["it takes the room of the one that it replaces, when that has left"])
