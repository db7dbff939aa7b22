"""GLM that Golem's MultiTransfer contract passed on: who paid whom, though the contract is the sender.

`golemTransferIndirect...` moves the sum from the payer to the contract, and from there to each. The contract
is taken for the payer's hand only where the payer's own transaction called it.
"""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings

from apps.billing.chain.answers import Carried, TokenTransfer
from apps.billing.chain.client import Chain
from apps.billing.treasury.signers import treasury_address


def passed_on(chain: Chain, transfers: list[TokenTransfer]) -> list[TokenTransfer]:
    """Into and out of the treasury, with what the contract passed on for it and to it, in order."""
    contract = settings.HIVE_MULTI_TRANSFER
    if not contract:
        return transfers
    through = {each.tx_hash: each for each in transfers if contract in (each.sender, each.recipient)}
    known = {tx_hash: told for tx_hash in through if (told := chain.carried(tx_hash))}
    found = {_place(each): _with_payer(each, known.get(each.tx_hash), contract) for each in transfers}
    for tx_hash, carried in known.items():
        if (carried.sender, carried.to) == (treasury_address(), contract):
            for each in carried.transfers:
                # Of another block when the chain changed meanwhile: the next tick reads it there.
                if each.sender == contract and each.block_hash == through[tx_hash].block_hash:
                    found.setdefault(_place(each), each)
    return [found[place] for place in sorted(found)]


def _place(each: TokenTransfer) -> tuple[int, int]:
    return each.block_number, each.log_index


def _with_payer(each: TokenTransfer, carried: Carried | None, contract: str) -> TokenTransfer:
    if carried is None or each.sender != contract or carried.to != contract:
        return each
    return replace(each, payer=carried.sender)
