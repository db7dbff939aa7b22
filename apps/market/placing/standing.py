"""Where each listing stands for a need before the strategy is asked: the wishes that come before any price.

In their order: not where it failed lately, beside those it belongs to, apart from its own group, and not too
many of a group on newcomers. None of them is a condition: the next best serves when nobody else does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from apps.market.models import Spread
from apps.market.needs import Need
from apps.market.placing.book import Book, Ints, Mask
from apps.market.placing.strategies import strategy_of

SHARE_OF_NEWCOMERS = 3
"""Of so many replicas of a group one may be on a node of which little is known; one in any case."""


@dataclass(frozen=True, slots=True)
class Standing:
    avoided: Mask
    """It failed there lately."""
    far: Mask
    """Not beside those it belongs to."""
    levels: list[str]
    """By what its group is kept apart, the weightiest first."""
    crowd: list[Ints]
    """Of each level, how many of the group are in each of its places."""
    newcomers_left: int
    """So many of the group may still go to newcomers."""


def standing(book: Book, need: Need, *, count: int = 1) -> Standing:
    """Before `count` more of the group are placed."""
    levels = apart_by(need)
    here = book.places_of(need.beside_nodes)
    share = max(1, (len(here) + count) // SHARE_OF_NEWCOMERS)
    return Standing(
        avoided=np.isin(book.node, book.numbers(need.avoid_nodes, Spread.NODE)),
        far=_is_far(book, need),
        levels=levels,
        crowd=[counts(book, need.beside_nodes, by) for by in levels],
        newcomers_left=share - sum(place.is_newcomer for place in here if place),
    )


def apart_by(need: Need) -> list[str]:
    """As asked, then by what the strategy adds, and by node in the end; each once."""
    return list(dict.fromkeys([need.spread, *strategy_of(need).apart_by, Spread.NODE]))


def counts(book: Book, node_ids: Collection[str], by: str) -> Ints:
    """How many of these nodes are at each place of this level."""
    numbers = np.array(book.numbers(node_ids, by), dtype=np.int64)
    return np.bincount(numbers, minlength=int(book.level(by).max(initial=-1)) + 1)


def is_beside(book: Book, node_ids: Collection[str], by: str) -> Mask:
    return counts(book, node_ids, by)[book.level(by)] > 0


def _is_far(book: Book, need: Need) -> Mask:
    """Nobody is far from those who are nowhere yet."""
    if need.affinity is None or not need.near_nodes:
        return np.zeros(len(book), dtype=np.bool_)
    return ~is_beside(book, need.near_nodes, need.affinity.by)
