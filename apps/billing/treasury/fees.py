"""What a transaction offers for a unit of gas: plain functions over wei; nothing is asked."""

from __future__ import annotations

from apps.billing.chain.calls import Fees, Gas

WEI_PER_GWEI = 10**9


def offer(limit: int, market: Fees, *, most_wei: int) -> Gas:
    """The first one: room for the base fee to triple, and never more than `most_wei` for a unit."""
    most = min(3 * market.base_wei + market.tip_wei, most_wei)
    return Gas(limit=limit, max_fee_wei=most, tip_wei=min(market.tip_wei, most))


def raised(last: Gas, market: Fees, *, most_wei: int) -> Gas | None:
    """The next one for the same nonce: an eighth more, or what is asked today if that is more.

    Nodes replace what waits only for a tenth more of both (an eighth with some), see
    https://geth.ethereum.org/docs/fundamentals/command-line-options#txpool. None: that is beyond `most_wei`.
    """
    least, least_tip = _an_eighth_more(last.max_fee_wei), _an_eighth_more(last.tip_wei)
    if least > most_wei:
        return None
    wanted = offer(last.limit, market, most_wei=most_wei)
    most = max(wanted.max_fee_wei, least)
    return Gas(limit=last.limit, max_fee_wei=most, tip_wei=min(max(wanted.tip_wei, least_tip), most))


def is_starved(offered: Gas, market: Fees) -> bool:
    """No block can take it at today's base fee."""
    return offered.max_fee_wei < market.base_wei


def _an_eighth_more(wei: int) -> int:
    return wei + wei // 8 + 1
