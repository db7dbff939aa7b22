"""How the Queen bargains: pure arithmetic over one limit and what a Bee asked so far.

She bids for an offer above the limit only. Her bids climb in even steps from `OPENING` of the limit in the
first round to the limit itself in the last (the Bee's rule, and its source: `agent/conceding.py`). Whatever
the Bee asks that is within the limit is taken at once. See docs/decisions/0042-bargains-in-five-rounds.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

from agent.protocol import ROUNDS, Price
from apps.market.needs import Need
from apps.market.placing.listing import Choice

OPENING = Decimal("0.8")
"""Of the limit: the first bid."""
SHUN_S = 60
"""So long a node that would not is left alone by the same demand, and what it said in a bargain counts."""
SLACK = Decimal("1e-6")
"""By so much a Bee may round its steps up, and still be on its way to the limit."""


def bid_in(round: int, limit_glm: Decimal) -> Decimal:
    """GLM an hour. Never above the limit."""
    climbed = Decimal(min(round, ROUNDS) - 1) / (ROUNDS - 1)
    return limit_glm * (OPENING + (1 - OPENING) * climbed)


def price_bid(choice: Choice, need: Need, round: int) -> Price:
    """What the Bee asked last, scaled down to the round's bid: its shape stays, or it could be refused."""
    assert need.max_price_per_hour_glm is not None  # without a limit nothing is above it
    return bid(choice, replace(need, max_price_per_hour_glm=bid_in(round, need.max_price_per_hour_glm)))


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


def leads_nowhere(asks_glm: Sequence[Decimal], limit_glm: Decimal) -> bool:
    """Whether a Bee that goes on giving way as it did will still ask more than the limit in the last round.

    `asks_glm`, per hour: by its offer, then after each round so far. Between the offer and the first answer
    the Bee's prices may have moved by themselves, so that step only tells whether it gives way at all.
    """
    rounds, step_glm = len(asks_glm) - 1, asks_glm[-2] - asks_glm[-1]
    if rounds >= ROUNDS or step_glm <= 0:
        return True
    return rounds > 1 and asks_glm[-1] - step_glm * (ROUNDS - rounds) > limit_glm * (1 + SLACK)


def _floor(amount_glm: Decimal) -> Decimal:
    return amount_glm.quantize(Decimal(1).scaleb(-18), rounding=ROUND_FLOOR)
