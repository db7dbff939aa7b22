"""The chain as a few questions and one command, asked of any Ethereum JSON-RPC nodes.

What the books are built from, and the nonce that is signed, is what enough nodes say alike (`_agreed`); what
honest nodes differ in, such as the price of gas, is the middle of what they say.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from decimal import Decimal
from statistics import median_high, median_low
from typing import Any, TypeVar

from django.conf import settings
from eth_typing import HexStr
from eth_utils.address import to_checksum_address

from apps.billing.chain import answers
from apps.billing.chain.answers import TRANSFER_TOPIC, Block, Carried, Receipt, TokenTransfer
from apps.billing.chain.calls import LEAST_GAS, Call, Fees, Gas, allowance_call, balance_call, most_gas, word
from apps.billing.chain.nodes import Nodes
from apps.billing.chain.rpc import ChainRefused, ChainUnreachable, RpcNode

__all__ = ["Chain", "ChainRefused", "ChainUnreachable", "Gas", "chain"]

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)


class Chain:
    """One token on one chain. Addresses and hashes are lower-case hex, amounts GLM."""

    def __init__(
        self, *, rpc_url: str, chain_id: int, token: str, quorum: int = 0, lag_blocks: int = 10
    ) -> None:
        """`rpc_url` names nodes with commas; so many of them, or else more than half, have to agree."""
        self.chain_id, self.token = chain_id, token
        nodes = [RpcNode(url.strip(), chain_id=chain_id) for url in rpc_url.split(",") if url.strip()]
        self.nodes = Nodes(nodes, quorum=quorum or len(nodes) // 2 + 1, lag_blocks=lag_blocks)

    def identify(self) -> None:
        """Ask again whose nodes these are, before what they said decides something that can't be taken back:
        the server behind an address may be another one from one question to the next.

        Raises ChainUnreachable where too few speak for this chain.
        """
        self.nodes.several(lambda node: node.check())

    # -- blocks and events ------------------------------------------------------------------------------

    def height(self) -> int:
        """Of the highest block that enough nodes have."""
        return self.nodes.height()

    def block(self, number: int) -> Block | None:
        """None when the chain is not that high."""
        read = functools.partial(answers.block, at=number)
        return self._agreed("eth_getBlockByNumber", hex(number), False, read=read)

    def blocks(self, first: int, last: int) -> tuple[Block, ...]:
        """These blocks, both ends included. Raises ChainBehind when too few nodes have all of them."""
        return self.nodes.agreed(lambda node: tuple(node.blocks(range(first, last + 1))))

    def transfers_of(self, address: str, *, first: int, last: int) -> list[TokenTransfer]:
        """The token's transfers from or to the address in these blocks, in the order of the chain."""
        topic = "0x" + word(address)
        found = [
            *self._logs([TRANSFER_TOPIC, topic], first, last),
            *self._logs([TRANSFER_TOPIC, None, topic], first, last),
        ]
        unique = {(each.block_number, each.log_index): each for each in found}
        return [unique[place] for place in sorted(unique)]

    def receipt(self, tx_hash: str) -> Receipt | None:
        """None while no block has the transaction, as far as enough nodes remember."""
        read = functools.partial(answers.receipt, of=tx_hash)
        return self._agreed("eth_getTransactionReceipt", tx_hash, read=read)

    def carried(self, tx_hash: str) -> Carried | None:
        """None while no block has the transaction, as far as enough nodes remember."""
        read = functools.partial(answers.carried, of=tx_hash, token=self.token)
        return self._agreed("eth_getTransactionReceipt", tx_hash, read=read)

    def balance_glm(self, address: str, *, block: int | None = None) -> Decimal:
        return self._called(balance_call(self.token, owner=address), block)

    def balance_coin(self, address: str, *, block: int | None = None) -> Decimal:
        """Of the coin that pays gas."""
        return self._agreed("eth_getBalance", address, self._at(block), read=answers.amount)

    def allowance_glm(self, owner: str, *, spender: str) -> Decimal:
        """How much of the owner's the spender may move."""
        return self._called(allowance_call(self.token, owner=owner, spender=spender), None)

    # -- paying -----------------------------------------------------------------------------------------

    def nonce(self, address: str, *, block: int | None = None) -> int:
        """How many of its transactions are in blocks. Those that still wait only their sender knows of."""
        return self._agreed("eth_getTransactionCount", address, self._at(block), read=answers.count)

    def gas_of(self, call: Call, *, sender: str) -> int:
        """Units that the call takes now, with a reserve. Raises ChainRefused when it can't succeed."""
        asked = {"from": sender, "to": call.to, "data": call.data}
        limit = median_high(self._said("eth_estimateGas", asked, "pending", read=answers.number)) * 5 // 4
        if not LEAST_GAS < limit <= most_gas(call):
            plenty = f"a transaction takes {LEAST_GAS}, and {most_gas(call)} are plenty for it"
            raise ChainRefused(f"eth_estimateGas: {limit} units of gas: {plenty}")
        return limit

    def fees(self) -> Fees:
        """In the middle: a single node can't make the Hive offer too much, nor so little that it waits."""
        bases = self._said("eth_getBlockByNumber", "latest", False, read=answers.base_fee)
        tips = self._said("eth_maxPriorityFeePerGas", read=answers.number)
        return Fees(base_wei=median_low(bases), tip_wei=median_low(tips))

    def unsigned(self, call: Call, *, nonce: int, gas: Gas) -> dict[str, Any]:
        """The transaction as signers take it. Nothing is sent: whoever stores it first can't pay twice."""
        return {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": nonce,
            "to": to_checksum_address(call.to),
            "value": 0,
            "data": HexStr(call.data),
            "gas": gas.limit,
            "maxFeePerGas": gas.max_fee_wei,
            "maxPriorityFeePerGas": gas.tip_wei,
        }

    def send(self, raw_transaction: str) -> None:
        """To every node. Raises ChainRefused; its text tells "already known" from "nonce too low"."""
        self.nodes.all(lambda node: node.ask("eth_sendRawTransaction", raw_transaction, read=str))

    # -- the wire ---------------------------------------------------------------------------------------

    def _logs(self, topics: list[str | None], first: int, last: int) -> tuple[TokenTransfer, ...]:
        query = {"address": self.token, "topics": topics}
        read = functools.partial(answers.transfers, token=self.token, blocks=range(first, last + 1))
        return self.nodes.agreed(lambda node: tuple(node.logs(query, first=first, last=last, read=read)))

    def _called(self, call: Call, block: int | None) -> Decimal:
        return self._agreed(
            "eth_call", {"to": call.to, "data": call.data}, self._at(block), read=answers.amount
        )

    def _at(self, block: int | None) -> str:
        """This block, or the highest that enough nodes have."""
        return hex(self.height() if block is None else block)

    def _agreed(self, method: str, *parameters: Any, read: Callable[[Any], H]) -> H:
        return self.nodes.agreed(lambda node: node.ask(method, *parameters, read=read))

    def _said(self, method: str, *parameters: Any, read: Callable[[Any], T]) -> list[T]:
        return self.nodes.several(lambda node: node.ask(method, *parameters, read=read))


def chain() -> Chain:
    """The chain that the settings name."""
    return _chain(
        settings.HIVE_RPC_URL,
        settings.HIVE_CHAIN_ID,
        settings.HIVE_GLM_TOKEN,
        settings.HIVE_RPC_QUORUM,
        settings.HIVE_RPC_LAG_BLOCKS,
    )


@functools.lru_cache(maxsize=4)
def _chain(rpc_url: str, chain_id: int, token: str, quorum: int, lag_blocks: int) -> Chain:
    return Chain(rpc_url=rpc_url, chain_id=chain_id, token=token, quorum=quorum, lag_blocks=lag_blocks)
