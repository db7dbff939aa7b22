"""What is bold about where a plan puts things: facts about its nodes, and what would fall together.

Plain functions over what is known of the nodes, without a database.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

DOUBTFUL_SCORE = 0.8
"""Below this a node has lost more than a plan should keep to itself."""

MOST_NAMES = 4
"""So many nodes are named; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One replica and what is known of the node that it would go to."""

    replica: str
    service: str
    node_id: str
    node_name: str
    owner_id: int
    region: str = ""
    """Where the node says it is, if that is believed."""
    region_fault: str = ""
    """Why it is not."""
    is_newcomer: bool = True
    score: float | None = None
    facts: list[str] = field(default_factory=list)
    """What the score comes from, the weightiest first."""


@dataclass(frozen=True, slots=True)
class Risk:
    """`kind` is for programs: one_node, one_owner, one_region, reputation, newcomer, region."""

    kind: str
    text: str
    replicas: list[str]
    """Whom it concerns."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def risks_of(spots: Iterable[Spot]) -> list[Risk]:
    """What falls together first, then node by node."""
    found = sorted(spots, key=lambda spot: spot.service)
    shared = [
        risk for _, group in groupby(found, key=lambda spot: spot.service) for risk in _together(list(group))
    ]
    nodes = _by_node(found)
    return [*shared, *_newcomers(nodes), *(risk for spots in nodes for risk in _of_node(spots))]


def _by_node(spots: list[Spot]) -> list[list[Spot]]:
    ordered = sorted(spots, key=lambda spot: (spot.node_name, spot.node_id))
    return [list(group) for _, group in groupby(ordered, key=lambda spot: spot.node_id)]


def _together(spots: list[Spot]) -> Iterator[Risk]:
    """The widest thing that all replicas of a service share; what is narrower would be said twice."""
    if len(spots) < 2:
        return
    service, replicas = spots[0].service, [spot.replica for spot in spots]
    every = f"{'both' if len(spots) == 2 else f'all {len(spots)}'} replicas of {service}"
    if _same(spots, lambda spot: spot.node_id):
        text = f"{every} would be on one node, {spots[0].node_name}: if it goes, {service} is gone"
        yield Risk("one_node", text, replicas)
    elif _same(spots, lambda spot: spot.owner_id):
        text = f"{every} would be on nodes of one owner, who could turn them all off"
        yield Risk("one_owner", text, replicas)
    elif spots[0].region and _same(spots, lambda spot: spot.region):
        yield Risk("one_region", f"{every} would be in one region, {spots[0].region}", replicas)


def _newcomers(nodes: list[list[Spot]]) -> Iterator[Risk]:
    new = [spots for spots in nodes if spots[0].is_newcomer]
    if not new:
        return
    names = [spots[0].node_name for spots in new[:MOST_NAMES]]
    if others := len(new) - len(names):
        names.append(f"{others} more")
    who = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    text = f"{who} {'are' if len(new) > 1 else 'is'} new here: too little is known to rely on"
    yield Risk("newcomer", text, [spot.replica for spots in new for spot in spots])


def _of_node(spots: list[Spot]) -> Iterator[Risk]:
    node, replicas = spots[0], [spot.replica for spot in spots]
    if not node.is_newcomer and node.score is not None and node.score < DOUBTFUL_SCORE:
        why = "; ".join(node.facts[:2]) or f"has a reputation of {node.score:.2f}"
        yield Risk("reputation", f"{node.node_name} {why}", replicas)
    if node.region_fault:
        yield Risk("region", f"{node.node_name} may be elsewhere than it says: {node.region_fault}", replicas)


def _same(spots: list[Spot], of: Callable[[Spot], Hashable]) -> bool:
    return len({of(spot) for spot in spots}) == 1
