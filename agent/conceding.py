"""How a bargain moves: both sides give way in even steps over the same few rounds.

What is asked in a round depends on the round alone. So a question that comes twice has the same answer, a
restart forgets nothing, and bidding lower does not make the Bee come down faster. Source: the linear
time-dependent tactic of Faratin, Sierra and Jennings, "Negotiation decision functions for autonomous agents"
(Robotics and Autonomous Systems 24, 1998).
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal

from agent.protocol import ROUNDS, Price

_WEI = Decimal(1).scaleb(-18)
_UP = Context(prec=78, rounding=ROUND_CEILING)


def asked_in(round: int, *, asked: Price, lowest: Price) -> Price:
    """From a fifth of the way down in the first round to the lowest in the last, each part for itself."""
    left = Decimal(ROUNDS - min(max(round, 1), ROUNDS)) / ROUNDS
    names = Price.__struct_fields__
    return Price(**{name: _between(getattr(lowest, name), getattr(asked, name), left) for name in names})


def _between(low: Decimal, high: Decimal, share: Decimal) -> Decimal:
    return (low + (high - low) * share).quantize(_WEI, context=_UP)
