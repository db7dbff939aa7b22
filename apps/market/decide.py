"""What a negotiation does next: a pure decision on what was loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.protocol import Price
from apps.market.matching import Choice, Need, bid, rank, why_nothing_fits, why_too_dear, within_limit
from apps.nodes.models import Offer

RETRY_AT_LEAST_S = 1.0
RETRY_AT_MOST_S = 15.0


@dataclass(frozen=True, slots=True)
class Situation:
    """An open demand and the market around it, as one unit of work found them."""

    need: Need
    offers: Sequence[Offer]
    shunned: Mapping[str, str]
    """Nodes that would not lately, by id, and what they said."""
    bargained: Mapping[str, Price]
    """Prices that nodes agreed to for this demand, by offer id."""
    waiting_since: datetime
    gives_up_at: datetime
    last_reason: str


@dataclass(frozen=True, slots=True)
class Agree:
    """Sign with the first of these whose capacity is still there."""

    choices: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class Propose:
    """Ask this node whether it would at this price."""

    choice: Choice
    price: Price


@dataclass(frozen=True, slots=True)
class Wait:
    reason: str
    retry_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    reason: str


Step = Agree | Propose | Wait | GiveUp


def decide(situation: Situation, *, now: datetime) -> Step:
    """Agree at or below the limit, else bargain with the cheapest, else wait, and give up in the end."""
    if now >= situation.gives_up_at:
        return GiveUp(_given_up(situation))
    need = situation.need
    willing = [offer for offer in situation.offers if offer.node_id not in situation.shunned]
    choices = rank(willing, need, bargained=dict(situation.bargained))
    firm = [choice for choice in choices if within_limit(choice, need)]
    if firm:
        return Agree(firm)
    if choices:
        return Propose(choices[0], bid(choices[0], need))
    return Wait(why_waiting(situation), retry_s(now=now, waiting_since=situation.waiting_since))


def why_waiting(situation: Situation) -> str:
    """Refusals matter when a node that refused is all that would fit."""
    refusing = rank(
        [offer for offer in situation.offers if offer.node_id in situation.shunned], situation.need
    )
    if not refusing:
        return why_nothing_fits(situation.offers, situation.need)
    cheapest = min(refusing, key=lambda choice: choice.per_hour_glm)
    said = situation.shunned[cheapest.offer.node_id]
    if within_limit(cheapest, situation.need):
        return f"bee {cheapest.offer.node_id[:10]}… would not: {said}"
    return f"{why_too_dear(cheapest, situation.need)}, and its bee would not go lower"


def retry_s(*, now: datetime, waiting_since: datetime) -> float:
    """Back off with the time already waited: soon at first, then every 15 s."""
    waited_s = (now - waiting_since).total_seconds()
    return min(max(waited_s / 4, RETRY_AT_LEAST_S), RETRY_AT_MOST_S)


def _given_up(situation: Situation) -> str:
    waited_s = (situation.gives_up_at - situation.waiting_since).total_seconds()
    why = situation.last_reason or why_waiting(situation)
    return f"gave up after {waited_s:.0f} s: {why}"
