"""The chain as a few questions and one command, through web3 to any Ethereum JSON-RPC node.

Requests go over web3's provider as they stand and are decoded here: for logs that is an order of magnitude
faster than web3's own formatting, and blocks of proof-of-authority chains need no special treatment.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from eth_typing import HexStr
from eth_utils.address import to_checksum_address
from requests.exceptions import RequestException
from web3 import HTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from apps.money import from_wei, to_wei

if TYPE_CHECKING:
    from apps.billing.treasury.signers import Signed, Signer

TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""keccak256("Transfer(address,address,uint256)"), https://eips.ethereum.org/EIPS/eip-20"""
TRANSFER_SELECTOR, BALANCE_SELECTOR = "a9059cbb", "70a08231"
ASK_TIMEOUT_S = 10


class ChainUnreachable(Exception):
    """The node does not answer, or answers nonsense, or speaks for another chain: ask again later."""


class ChainRefused(Exception):
    """The node understood, and would not; its text says why."""


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


@dataclass(frozen=True)
class Receipt:
    block_number: int
    succeeded: bool


@dataclass(frozen=True)
class Gas:
    """What a transaction may cost, in units of gas and in wei per unit."""

    limit: int
    max_fee_wei: int
    tip_wei: int


class Chain:
    """One token on one chain. Addresses and hashes are lower-case hex, amounts GLM."""

    def __init__(self, *, rpc_url: str, chain_id: int, token: str) -> None:
        self.rpc_url, self.chain_id, self.token = rpc_url, chain_id, token
        self._provider = HTTPProvider(
            rpc_url, request_kwargs={"timeout": ASK_TIMEOUT_S}, exception_retry_configuration=None
        )
        self._is_checked = False

    # -- blocks and events ------------------------------------------------------------------------------

    def height(self) -> int:
        return int(self._ask("eth_blockNumber"), 16)

    def block(self, number: int) -> Block | None:
        """None when the chain is not that high."""
        found = self._ask("eth_getBlockByNumber", hex(number), False)
        return Block(int(found["number"], 16), found["hash"], found["parentHash"]) if found else None

    def transfers_of(self, address: str, *, first: int, last: int) -> list[TokenTransfer]:
        """The token's transfers from or to the address in these blocks, in the order of the chain."""
        topic = "0x" + _word(address)
        found = [
            *self._logs([TRANSFER_TOPIC, topic], first, last),
            *self._logs([TRANSFER_TOPIC, None, topic], first, last),
        ]
        unique = {(each.block_number, each.log_index): each for each in found}
        return [unique[place] for place in sorted(unique)]

    def receipt(self, tx_hash: str) -> Receipt | None:
        """None while no block has the transaction."""
        found = self._ask("eth_getTransactionReceipt", tx_hash)
        return Receipt(int(found["blockNumber"], 16), int(found["status"], 16) == 1) if found else None

    def balance_glm(self, address: str, *, block: int | None = None) -> Decimal:
        call = {"to": self.token, "data": f"0x{BALANCE_SELECTOR}{_word(address)}"}
        return from_wei(int(self._ask("eth_call", call, _at(block)), 16))

    # -- paying -----------------------------------------------------------------------------------------

    def nonce(self, address: str, *, block: int | None = None) -> int:
        """How many transactions the address has sent: by that block, or with those that still wait."""
        return int(
            self._ask("eth_getTransactionCount", address, "pending" if block is None else hex(block)), 16
        )

    def price_of_transfer(self, *, sender: str, recipient: str, amount_glm: Decimal) -> Gas:
        """Gas for a transfer, with a reserve for rising fees. Raises ChainRefused when it can't succeed."""
        call = {"from": sender, "to": self.token, "data": _transfer(recipient, amount_glm)}
        limit = int(self._ask("eth_estimateGas", call, "pending"), 16)
        base = int(self._ask("eth_getBlockByNumber", "latest", False).get("baseFeePerGas", "0x0"), 16)
        tip = int(self._ask("eth_maxPriorityFeePerGas"), 16)
        return Gas(limit=limit * 5 // 4, max_fee_wei=3 * base + tip, tip_wei=tip)

    def sign_transfer(
        self, *, signer: Signer, recipient: str, amount_glm: Decimal, nonce: int, gas: Gas
    ) -> Signed:
        """Nothing is sent: whoever stores it first can't pay twice. Raises what the signer raises."""
        return signer.sign(
            {
                "type": 2,
                "chainId": self.chain_id,
                "nonce": nonce,
                "to": to_checksum_address(self.token),
                "value": 0,
                "data": HexStr(_transfer(recipient, amount_glm)),
                "gas": gas.limit,
                "maxFeePerGas": gas.max_fee_wei,
                "maxPriorityFeePerGas": gas.tip_wei,
            }
        )

    def send(self, raw_transaction: str) -> None:
        """Raises ChainRefused; its text tells "already known" from "nonce too low" from no gas."""
        self._ask("eth_sendRawTransaction", raw_transaction)

    # -- the wire ---------------------------------------------------------------------------------------

    def _logs(self, topics: list[str | None], first: int, last: int) -> list[TokenTransfer]:
        query = {"address": self.token, "topics": topics, "fromBlock": hex(first), "toBlock": hex(last)}
        return [_decoded(log) for log in self._ask("eth_getLogs", query)]

    def _ask(self, method: str, *parameters: Any) -> Any:
        self._check()
        return self._request(method, *parameters)

    def _check(self) -> None:
        if self._is_checked:
            return
        spoken = int(self._request("eth_chainId"), 16)
        if spoken != self.chain_id:
            raise ChainUnreachable(
                f"{self.rpc_url} speaks for chain {spoken}, HIVE_CHAIN_ID is {self.chain_id}"
            )
        self._is_checked = True

    def _request(self, method: str, *parameters: Any) -> Any:
        try:
            answer: Any = self._provider.make_request(RPCEndpoint(method), list(parameters))
        except (RequestException, Web3Exception, OSError, ValueError) as error:
            raise ChainUnreachable(f"{self.rpc_url}: {method}: {error}"[:300]) from None
        if answer.get("error"):
            raise ChainRefused(f"{method}: {answer['error'].get('message', answer['error'])}"[:300])
        return answer.get("result")


def chain() -> Chain:
    """The chain that the settings name."""
    return _chain(settings.HIVE_RPC_URL, settings.HIVE_CHAIN_ID, settings.HIVE_GLM_TOKEN)


@functools.lru_cache(maxsize=4)
def _chain(rpc_url: str, chain_id: int, token: str) -> Chain:
    return Chain(rpc_url=rpc_url, chain_id=chain_id, token=token)


def _at(block: int | None) -> str:
    return "latest" if block is None else hex(block)


def _word(address: str) -> str:
    return address.removeprefix("0x").lower().rjust(64, "0")


def _transfer(recipient: str, amount_glm: Decimal) -> str:
    return f"0x{TRANSFER_SELECTOR}{_word(recipient)}{to_wei(amount_glm):064x}"


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
