"""What a transaction offers for a unit of gas: plain functions over wei; nothing is asked."""

from __future__ import annotations

from dataclasses import dataclass

from apps.billing.chain.calls import Fees, Gas

WEI_PER_GWEI = 10**9


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is never passed, in wei for a unit of gas: in all, and of it for whoever makes the block.

    The tip has its own: it is paid whole, while of the rest only what the block asks is.
    """

    fee_wei: int
    tip_wei: int


def offer(limit: int, market: Fees, *, most: Bounds) -> Gas:
    """The first one: room for the base fee to triple, within the bounds."""
    tip = min(market.tip_wei, most.tip_wei, most.fee_wei)
    return Gas(limit=limit, max_fee_wei=min(3 * market.base_wei + tip, most.fee_wei), tip_wei=tip)


def raised(last: Gas, market: Fees, *, limit: int, most: Bounds) -> Gas | None:
    """The next one for the same nonce: an eighth more, or what is asked today if that is more.

    Nodes replace what waits only for a tenth more of both (an eighth with some), see
    https://geth.ethereum.org/docs/fundamentals/command-line-options#txpool. None: that is out of bounds.
    `limit` is what the call takes today, in units of gas.
    """
    least, least_tip = _an_eighth_more(last.max_fee_wei), _an_eighth_more(last.tip_wei)
    if least > most.fee_wei or least_tip > most.tip_wei:
        return None
    wanted = offer(limit, market, most=most)
    fee = max(wanted.max_fee_wei, least)
    return Gas(limit=limit, max_fee_wei=fee, tip_wei=min(max(wanted.tip_wei, least_tip), fee))


def is_starved(offered: Gas, market: Fees) -> bool:
    """No block can take it at today's base fee."""
    return offered.max_fee_wei < market.base_wei


def _an_eighth_more(wei: int) -> int:
    return wei + wei // 8 + 1
