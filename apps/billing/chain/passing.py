"""GLM that Golem's MultiTransfer contract passed on: who paid whom, though the contract is the sender.

`golemTransferIndirect...` moves the sum from the payer to the contract, and from there to each. The contract
is taken for the payer's hand only where the payer's own transaction called it.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from django.conf import settings

from apps.billing.chain.answers import Carried, TokenTransfer
from apps.billing.chain.client import Chain
from apps.billing.treasury.signers import treasury_address

log = logging.getLogger("hive.chain")


def passed_on(chain: Chain, transfers: list[TokenTransfer]) -> list[TokenTransfer] | None:
    """Into and out of the treasury, with what the contract passed on for it and to it, in order.

    None where nodes do not know the receipt of a transaction, or know it in another block: without it some
    would be missed for good, so the same blocks are to be read again.
    """
    contract = settings.HIVE_MULTI_TRANSFER
    if not contract:
        return transfers
    through = {each.tx_hash: each for each in transfers if contract in (each.sender, each.recipient)}
    known: dict[str, Carried] = {}
    for tx_hash, each in through.items():
        carried = chain.carried(tx_hash)
        if carried is None or carried.receipt.block_hash != each.block_hash:
            log.warning("no node has the receipt of %s in block %d: read again", tx_hash, each.block_number)
            return None
        known[tx_hash] = carried
    found = {_place(each): _with_payer(each, known.get(each.tx_hash), contract) for each in transfers}
    for carried in known.values():
        if (carried.sender, carried.to) == (treasury_address(), contract):
            for each in carried.transfers:
                if each.sender == contract:
                    found.setdefault(_place(each), each)
    return [found[place] for place in sorted(found)]


def _place(each: TokenTransfer) -> tuple[int, int]:
    return each.block_number, each.log_index


def _with_payer(each: TokenTransfer, carried: Carried | None, contract: str) -> TokenTransfer:
    if carried is None or each.sender != contract or carried.to != contract:
        return each
    return replace(each, payer=carried.sender)
