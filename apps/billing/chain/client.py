"""The chain as a few questions and one command, asked of any Ethereum JSON-RPC nodes.

What the books are built from is what enough nodes say alike (`_agreed`); what the chain itself checks, such
as the price of gas, any of them may say (`_ask`). Answers are decoded here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from eth_typing import HexStr
from eth_utils.address import to_checksum_address

from apps.billing.chain.calls import Call, Fees, Gas, allowance_call, balance_call, word
from apps.billing.chain.nodes import Nodes
from apps.billing.chain.rpc import ChainRefused, ChainUnreachable, RpcNode
from apps.money import from_wei

__all__ = ["Chain", "ChainRefused", "ChainUnreachable", "Gas", "chain"]

TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""keccak256("Transfer(address,address,uint256)"), https://eips.ethereum.org/EIPS/eip-20"""


@dataclass(frozen=True)
class Block:
    number: int
    hash: str
    parent_hash: str


@dataclass(frozen=True)
class TokenTransfer:
    """A Transfer event of the token."""

    tx_hash: str
    log_index: int
    block_number: int
    block_hash: str
    sender: str
    recipient: str
    amount_glm: Decimal
    payer: str = ""
    """Who paid, where that is not the sender: a contract passed it on for them."""


@dataclass(frozen=True)
class Carried:
    """A transaction in a block, and the token's transfers that it caused."""

    sender: str
    to: str
    transfers: list[TokenTransfer]


@dataclass(frozen=True)
class Receipt:
    """What a block made of a transaction; it paid `gas_used` units at `gas_price_wei` each, failed or not."""

    block_number: int
    succeeded: bool
    gas_used: int
    gas_price_wei: int

    @property
    def gas_coin(self) -> Decimal:
        """What it cost, in the chain's coin."""
        return from_wei(self.gas_used * self.gas_price_wei)


class Chain:
    """One token on one chain. Addresses and hashes are lower-case hex, amounts GLM."""

    def __init__(
        self, *, rpc_url: str, chain_id: int, token: str, quorum: int = 0, lag_blocks: int = 10
    ) -> None:
        """`rpc_url` names nodes with commas; so many of them, or else more than half, have to agree."""
        self.chain_id, self.token = chain_id, token
        nodes = [RpcNode(url.strip(), chain_id=chain_id) for url in rpc_url.split(",") if url.strip()]
        self.nodes = Nodes(nodes, quorum=quorum or len(nodes) // 2 + 1, lag_blocks=lag_blocks)

    # -- blocks and events ------------------------------------------------------------------------------

    def height(self) -> int:
        """Of the highest block that enough nodes have."""
        return self.nodes.height()

    def block(self, number: int) -> Block | None:
        """None when the chain is not that high."""
        found = self._agreed("eth_getBlockByNumber", hex(number), False, key=_hash_of_block)
        return Block(int(found["number"], 16), found["hash"], found["parentHash"]) if found else None

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
        """None while no block has the transaction."""
        found = self._agreed("eth_getTransactionReceipt", tx_hash, key=_fate)
        return _receipt(found) if found else None

    def carried(self, tx_hash: str) -> Carried | None:
        """None while no block has the transaction."""
        found = self._agreed("eth_getTransactionReceipt", tx_hash, key=_fate_with_logs)
        if found is None:
            return None
        logs = [log for log in found["logs"] if log["address"].lower() == self.token and _is_transfer(log)]
        return Carried(found["from"], found["to"] or "", [_decoded(log) for log in logs])

    def balance_glm(self, address: str, *, block: int | None = None) -> Decimal:
        call = balance_call(self.token, owner=address)
        asked = {"to": call.to, "data": call.data}
        number = self.height() if block is None else block
        return from_wei(int(self._agreed("eth_call", asked, hex(number)), 16))

    def balance_coin(self, address: str, *, block: int | None = None) -> Decimal:
        """Of the coin that pays gas."""
        number = self.height() if block is None else block
        return from_wei(int(self._agreed("eth_getBalance", address, hex(number)), 16))

    def allowance_glm(self, owner: str, *, spender: str) -> Decimal:
        """How much of the owner's the spender may move."""
        call = allowance_call(self.token, owner=owner, spender=spender)
        return from_wei(int(self._ask("eth_call", {"to": call.to, "data": call.data}, "latest"), 16))

    # -- paying -----------------------------------------------------------------------------------------

    def nonce(self, address: str, *, block: int | None = None) -> int:
        """How many transactions the address has sent: by that block, or with those that still wait."""
        if block is None:
            return int(self._ask("eth_getTransactionCount", address, "pending"), 16)
        return int(self._agreed("eth_getTransactionCount", address, hex(block)), 16)

    def gas_of(self, call: Call, *, sender: str) -> int:
        """Units that the call takes now, with a reserve. Raises ChainRefused when it can't succeed."""
        asked = {"from": sender, "to": call.to, "data": call.data}
        return int(self._ask("eth_estimateGas", asked, "pending"), 16) * 5 // 4

    def fees(self) -> Fees:
        newest = self._ask("eth_getBlockByNumber", "latest", False)
        tip = self._ask("eth_maxPriorityFeePerGas")
        return Fees(base_wei=int(newest.get("baseFeePerGas", "0x0"), 16), tip_wei=int(tip, 16))

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
        self.nodes.all(lambda node: node.ask("eth_sendRawTransaction", raw_transaction))

    # -- the wire ---------------------------------------------------------------------------------------

    def _logs(self, topics: list[str | None], first: int, last: int) -> list[TokenTransfer]:
        query = {"address": self.token, "topics": topics}
        found = self.nodes.agreed(lambda node: node.logs(query, first=first, last=last), key=_places)
        return [_decoded(log) for log in found]

    def _ask(self, method: str, *parameters: Any) -> Any:
        return self.nodes.first(lambda node: node.ask(method, *parameters))

    def _agreed(self, method: str, *parameters: Any, key: Callable[[Any], Hashable] = str) -> Any:
        return self.nodes.agreed(lambda node: node.ask(method, *parameters), key=key)


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


def _receipt(found: dict[str, Any]) -> Receipt:
    return Receipt(
        block_number=int(found["blockNumber"], 16),
        succeeded=int(found["status"], 16) == 1,
        gas_used=int(found["gasUsed"], 16),
        gas_price_wei=int(found["effectiveGasPrice"], 16),
    )


def _is_transfer(log: dict[str, Any]) -> bool:
    return len(log["topics"]) == 3 and log["topics"][0] == TRANSFER_TOPIC


def _decoded(log: dict[str, Any]) -> TokenTransfer:
    return TokenTransfer(
        tx_hash=log["transactionHash"],
        log_index=int(log["logIndex"], 16),
        block_number=int(log["blockNumber"], 16),
        block_hash=log["blockHash"],
        sender="0x" + log["topics"][1][-40:],
        recipient="0x" + log["topics"][2][-40:],
        amount_glm=from_wei(int(log["data"], 16)),
    )


# -- in what nodes have to agree --------------------------------------------------------------------------


def _hash_of_block(found: dict[str, Any] | None) -> Hashable:
    return (found["number"], found["hash"], found["parentHash"]) if found else None


def _fate(receipt: dict[str, Any] | None) -> Hashable:
    fields = ("transactionHash", "blockHash", "blockNumber", "status", "gasUsed", "effectiveGasPrice")
    return tuple(receipt.get(name) for name in fields) if receipt else None


def _fate_with_logs(receipt: dict[str, Any] | None) -> Hashable:
    if receipt is None:
        return None
    return _fate(receipt), receipt["from"], receipt["to"], _places(receipt["logs"])


def _places(logs: list[dict[str, Any]]) -> Hashable:
    fields = ("blockHash", "transactionHash", "logIndex", "data")
    return tuple((*(log[name] for name in fields), *log["topics"]) for log in logs)
