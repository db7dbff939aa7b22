"""What a negotiation does next: a pure decision on what was loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.protocol import Price
from apps.market.needs import Need
from apps.market.negotiating.bargaining import price_bid
from apps.market.placing.book import Book
from apps.market.placing.listing import Choice
from apps.market.placing.matching import AT_MOST, choose, rank, why_too_dear, within_limit
from apps.market.placing.nearest import why_nothing_fits

RETRY_AT_LEAST_S = 1.0
RETRY_AT_MOST_S = 15.0
SPOKEN_RETRY_S = 1.0
"""Bargains take moments."""


@dataclass(frozen=True, slots=True)
class Situation:
    """An open demand and the market around it, as one unit of work found them."""

    need: Need
    book: Book
    unspoken: Book
    """The same without the room for which somebody else bargains now."""
    shunned: Mapping[str, str]
    """Nodes that would not lately, by id, and what they said."""
    asked: Mapping[str, Price]
    """What nodes would take of this demand, or asked of it last, by offer id."""
    rounds: Mapping[str, int]
    """Bids made of late, by offer id."""
    waiting_since: datetime
    gives_up_at: datetime
    last_reason: str
    planned_offer: str = ""
    """Id of the offer that the plan named: taken first while it fits."""


@dataclass(frozen=True, slots=True)
class Agree:
    """Sign with the first of these whose capacity is still there."""

    choices: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class Propose:
    """Ask this node whether it would at this price."""

    choice: Choice
    price: Price
    round: int


@dataclass(frozen=True, slots=True)
class Wait:
    reason: str
    retry_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    reason: str


Step = Agree | Propose | Wait | GiveUp


def decide(situation: Situation, *, now: datetime) -> Step:
    """Agree at or below the limit, as planned if that still goes; else bargain, wait, or at last give up."""
    if now >= situation.gives_up_at:
        return GiveUp(_given_up(situation))
    if firm := _as_planned(situation, _willing(situation, situation.book, affordable=True)):
        return Agree(firm)
    for choice in _willing(situation, situation.unspoken, at_most=1):
        round = situation.rounds.get(str(choice.offer.id), 0) + 1
        return Propose(choice, price_bid(choice, situation.need, round), round)
    if _willing(situation, situation.book, at_most=1):
        return Wait("others bargain with every bee that fits", SPOKEN_RETRY_S)
    return Wait(why_waiting(situation), retry_s(now=now, waiting_since=situation.waiting_since))


def _as_planned(situation: Situation, choices: list[Choice]) -> list[Choice]:
    """The planned offer first. Its price never changes: while it stands, it costs what the plan said."""
    need, planned = situation.need, situation.planned_offer
    choice = choose(situation.book, need, planned) if planned else None
    if choice is None or not within_limit(choice, need):
        return choices
    if choice.offer.node_id in {*situation.shunned, *need.avoid_nodes}:
        return choices
    return [choice, *(other for other in choices if other.offer.id != choice.offer.id)]


def _willing(
    situation: Situation, book: Book, *, affordable: bool = False, at_most: int = AT_MOST
) -> list[Choice]:
    """Those that fit and did not refuse, best first; within the limit, if they are to be affordable."""
    return rank(
        book,
        situation.need,
        bargained=situation.asked,
        shunned=situation.shunned,
        affordable=affordable,
        at_most=at_most,
    )


def why_waiting(situation: Situation) -> str:
    """Refusals matter when a node that refused is all that would fit."""
    need = situation.need
    refusing = [one for one in rank(situation.book, need) if one.offer.node_id in situation.shunned]
    if not refusing:
        return why_nothing_fits(situation.book, need)
    cheapest = min(refusing, key=lambda choice: choice.per_hour_glm)
    said = situation.shunned[cheapest.offer.node_id]
    if within_limit(cheapest, need):
        return f"bee {cheapest.offer.short} would not: {said}"
    return f"{why_too_dear(cheapest, need)}, and its bee would not go lower"


def retry_s(*, now: datetime, waiting_since: datetime) -> float:
    """Back off with the time already waited: soon at first, then every 15 s."""
    waited_s = (now - waiting_since).total_seconds()
    return min(max(waited_s / 4, RETRY_AT_LEAST_S), RETRY_AT_MOST_S)


def _given_up(situation: Situation) -> str:
    waited_s = (situation.gives_up_at - situation.waiting_since).total_seconds()
    why = situation.last_reason or why_waiting(situation)
    return f"gave up after {waited_s:.0f} s: {why}"
