"""What replicas would cost if they were placed now: the market's part of a plan. Nothing is reserved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from decimal import Decimal

from apps.market.matching import Choice, Need, rank, why_nothing_fits, why_too_dear, within_limit
from apps.market.models import Strategy
from apps.market.offers import live_offers
from apps.nodes.models import Node, Offer


@dataclass(frozen=True, slots=True)
class Quote:
    """Where one replica would go, and at which price; or, without a node, why nowhere."""

    node_id: str | None = None
    offer_id: str | None = None
    price_per_hour_glm: Decimal | None = None
    reason: str = ""


def quotes(
    *,
    runtimes: Sequence[str],
    cpu_threads: Decimal,
    mem_gib: Decimal,
    count: int,
    max_price_per_hour_glm: Decimal | None = None,
    benchmarks: Mapping[str, float] | None = None,
    strategy: str = Strategy.CHEAPEST,
    avoid_nodes: Collection[str] = (),
    beside_nodes: Collection[str] = (),
) -> list[Quote]:
    """One quote per replica, spread over nodes as far as they go."""
    need = Need(
        runtimes=runtimes,
        cpu_threads=cpu_threads,
        mem_gib=mem_gib,
        max_price_per_hour_glm=max_price_per_hour_glm,
        benchmarks=benchmarks or {},
        strategy=strategy,
        avoid_nodes=frozenset(avoid_nodes),
        beside_nodes=frozenset(beside_nodes),
    )
    return quote_each(live_offers(), need, count=count)


def quotes_together(needs: Iterable[tuple[Need, int]]) -> list[list[Quote]]:
    """For each need so many quotes as are asked for; what one takes the next can't have."""
    offers = _copied(live_offers())
    return [_quote_each(offers, need, count=count) for need, count in needs]


def quote_each(offers: Iterable[Offer], need: Need, *, count: int) -> list[Quote]:
    """Place one after the other on copies, each taking room from the next."""
    return _quote_each(_copied(offers), need, count=count)


def _quote_each(offers: Sequence[Offer], need: Need, *, count: int) -> list[Quote]:
    found = []
    for _ in range(count):
        choices = rank(offers, need)
        affordable = [choice for choice in choices if within_limit(choice, need)]
        if not affordable:
            reason = why_too_dear(choices[0], need) if choices else why_nothing_fits(offers, need)
            found.append(Quote(reason=reason))
            continue
        found.append(_take(affordable[0], need))
        need = replace(need, beside_nodes=frozenset(need.beside_nodes) | {affordable[0].offer.node_id})
    return found


def _take(choice: Choice, need: Need) -> Quote:
    node = choice.offer.node
    node.cpu_threads_claimed += need.cpu_threads
    node.mem_gib_claimed += need.mem_gib
    return Quote(node_id=node.id, offer_id=str(choice.offer.id), price_per_hour_glm=choice.per_hour_glm)


def _copied(offers: Iterable[Offer]) -> list[Offer]:
    """Offers of one node share one copy of it, for they share its room."""
    nodes: dict[str, Node] = {}
    copies = []
    for offer in offers:
        twin = copy(offer)
        # A copied model shares its cache of related rows with the original.
        twin._state = copy(offer._state)
        twin._state.fields_cache = {}
        twin.node = nodes.setdefault(offer.node_id, copy(offer.node))
        copies.append(twin)
    return copies
