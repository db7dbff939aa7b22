"""Which offer serves a need, and if none does, why not: plain functions over offers, without a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal

from agent.protocol import Price
from apps.market.models import Strategy
from apps.market.needs import Need as Need
from apps.market.speed import price_per_unit, too_slow, why_all_too_slow
from apps.nodes.models import Node, Offer
from apps.nodes.sizes import memory

_SIX_DIGITS = Context(prec=6)


@dataclass(frozen=True, slots=True)
class Choice:
    """An offer at a price: its own, or the one that was bargained for."""

    offer: Offer
    price: Price
    per_hour_glm: Decimal


def fits(offer: Offer, need: Need) -> str | None:
    """Why this offer can't serve, whatever it costs; None when it can."""
    node = offer.node
    if offer.runtime not in need.runtimes:
        return f"offers {offer.runtime}, not {' or '.join(need.runtimes)}"
    if offer.cpu_threads < need.cpu_threads:
        return f"has {plain(offer.cpu_threads)} CPU threads"
    if offer.mem_gib < need.mem_gib:
        return f"has {memory(offer.mem_gib)} of memory"
    if slow := too_slow(node, need.benchmarks):
        return slow
    if free_cpu_threads(node) < need.cpu_threads:
        return f"has only {plain(free_cpu_threads(node))} CPU threads free"
    if free_mem_gib(node) < need.mem_gib:
        return f"has only {memory(free_mem_gib(node))} of memory free"
    return None


def rank(offers: Iterable[Offer], need: Need, *, bargained: dict[str, Price] | None = None) -> list[Choice]:
    """Those that fit, best first: alone, good by the strategy, of the better runtime, lately heard.

    `bargained` holds prices by offer id that replace the offer's own.
    """
    prices = bargained or {}
    choices = [
        _choice(offer, prices.get(str(offer.id), offer.price), need)
        for offer in offers
        if fits(offer, need) is None
    ]
    return sorted(choices, key=lambda choice: _rank_of(choice, need))


def within_limit(choice: Choice, need: Need) -> bool:
    return need.max_price_per_hour_glm is None or choice.per_hour_glm <= need.max_price_per_hour_glm


def bid(choice: Choice, need: Need) -> Price:
    """The offer's price scaled down to the limit, rounded in our favour; start and egress stay."""
    limit = need.max_price_per_hour_glm
    if limit is None or choice.per_hour_glm == 0:
        return choice.price
    share = min(limit / choice.per_hour_glm, Decimal(1))
    return Price(
        start_glm=choice.price.start_glm,
        cpu_second_glm=_floor(choice.price.cpu_second_glm * share),
        second_glm=_floor(choice.price.second_glm * share),
        egress_gib_glm=choice.price.egress_gib_glm,
    )


def why_nothing_fits(offers: Sequence[Offer], need: Need) -> str:
    """One sentence for the person who waits: what is asked and what there is."""
    if not offers:
        return "no bee that takes work is online with an offer"
    right = [offer for offer in offers if offer.runtime in need.runtimes]
    if not right:
        offered = ", ".join(sorted({offer.runtime for offer in offers}))
        return f"no bee offers runtime {' or '.join(need.runtimes)}: offered are {offered}"
    most_cpu = max(offer.cpu_threads for offer in right)
    if most_cpu < need.cpu_threads:
        asked = plain(need.cpu_threads)
        return f"no bee offers {asked} CPU threads: the largest has {plain(most_cpu)}"
    most_mem = max(offer.mem_gib for offer in right)
    if most_mem < need.mem_gib:
        return f"no bee offers {memory(need.mem_gib)} of memory: the largest has {memory(most_mem)}"
    large = [
        offer for offer in right if offer.cpu_threads >= need.cpu_threads and offer.mem_gib >= need.mem_gib
    ]
    if slow := why_all_too_slow([offer.node for offer in large or right], need.benchmarks):
        return slow
    right = [offer for offer in right if too_slow(offer.node, need.benchmarks) is None]
    free_cpu = plain(max(free_cpu_threads(offer.node) for offer in right))
    free_mem = memory(max(free_mem_gib(offer.node) for offer in right))
    return f"every bee that could is full: at most {free_cpu} CPU threads and {free_mem} are free"


def why_too_dear(cheapest: Choice, need: Need) -> str:
    limit = plain(need.max_price_per_hour_glm or Decimal(0))
    asked = plain(cheapest.per_hour_glm)
    return f"the cheapest fitting offer is {asked} GLM/h, above the limit of {limit} GLM/h"


def free_cpu_threads(node: Node) -> Decimal:
    return node.cpu_threads - node.cpu_threads_claimed


def free_mem_gib(node: Node) -> Decimal:
    return node.mem_gib - node.mem_gib_claimed


def plain(number: Decimal) -> str:
    """For people: six digits, without exponent and closing zeros."""
    return f"{_SIX_DIGITS.plus(number).normalize():f}"


def _choice(offer: Offer, price: Price, need: Need) -> Choice:
    return Choice(offer=offer, price=price, per_hour_glm=price.per_hour_glm(need.cpu_threads))


def _rank_of(choice: Choice, need: Need) -> tuple[bool, bool, bool, Decimal, int, float]:
    node = choice.offer.node
    return (
        node.id in need.avoid_nodes,
        node.id in need.beside_nodes,
        *_score(choice, need),
        list(need.runtimes).index(choice.offer.runtime),
        -node.last_seen_at.timestamp() if node.last_seen_at else 0.0,
    )


def _score(choice: Choice, need: Need) -> tuple[bool, Decimal]:
    """The less the better; a node whose speed is not known comes after all others, by its price."""
    if need.strategy != Strategy.BEST_VALUE:
        return False, choice.per_hour_glm
    value = price_per_unit(choice.offer.node, choice.per_hour_glm, need.cpu_threads)
    return (True, choice.per_hour_glm) if value is None else (False, value)


def _floor(amount_glm: Decimal) -> Decimal:
    return amount_glm.quantize(Decimal(1).scaleb(-18), rounding=ROUND_FLOOR)
