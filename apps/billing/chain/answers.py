"""What nodes answer, read into plain values that can be held against each other.

What can't be read raises one of UNREADABLE: the node that said it talks nonsense, and another is asked.
Shapes: https://ethereum.github.io/execution-apis/
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.money import from_wei

UNREADABLE = (TypeError, KeyError, ValueError, IndexError, AttributeError, ArithmeticError)

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
class Receipt:
    """What a block made of a transaction; it paid `gas_used` units at `gas_price_wei` each, failed or not."""

    tx_hash: str
    block_hash: str
    block_number: int
    succeeded: bool
    gas_used: int
    gas_price_wei: int

    @property
    def gas_coin(self) -> Decimal:
        """What it cost, in the chain's coin."""
        return from_wei(self.gas_used * self.gas_price_wei)


@dataclass(frozen=True)
class Carried:
    """A transaction in a block, and the token's transfers that it caused."""

    sender: str
    to: str
    receipt: Receipt
    transfers: tuple[TokenTransfer, ...]


# -- answers ----------------------------------------------------------------------------------------------


def number(answer: Any) -> int:
    """From zero up."""
    found = int(answer, 16)
    if found < 0:
        raise ValueError(f"{answer} is below zero")
    return found


def amount(answer: Any) -> Decimal:
    """Of GLM, or of the chain's coin."""
    return from_wei(number(answer))


def block(answer: Any) -> Block | None:
    if answer is None:
        return None
    return Block(number(answer["number"]), _hash(answer["hash"]), _hash(answer["parentHash"]))


def base_fee(answer: Any) -> int:
    """Of a block, in wei; chains from before EIP-1559 have none."""
    return number(answer.get("baseFeePerGas", "0x0"))


def receipt(answer: Any) -> Receipt | None:
    if answer is None:
        return None
    return Receipt(
        tx_hash=_hash(answer["transactionHash"]),
        block_hash=_hash(answer["blockHash"]),
        block_number=number(answer["blockNumber"]),
        succeeded=number(answer["status"]) == 1,
        gas_used=number(answer["gasUsed"]),
        gas_price_wei=number(answer["effectiveGasPrice"]),
    )


def carried(answer: Any, *, token: str) -> Carried | None:
    """Of a receipt: with the transfers of this token alone."""
    fate = receipt(answer)
    if fate is None:
        return None
    logs = [log for log in _listed(answer["logs"]) if log["address"].lower() == token and _is_transfer(log)]
    to = answer["to"]
    return Carried(
        sender=_address(answer["from"]),
        to=_address(to) if to else "",
        receipt=fate,
        transfers=tuple(_transfer(log) for log in logs),
    )


def transfers(answer: Any) -> list[TokenTransfer]:
    """Of logs that are all Transfer events of the token."""
    return [_transfer(log) for log in _listed(answer)]


# -- their parts ------------------------------------------------------------------------------------------


def _listed(answer: Any) -> list[Any]:
    if not isinstance(answer, list):
        raise TypeError("expected a list")
    return answer


def _is_transfer(log: Any) -> bool:
    return len(log["topics"]) == 3 and log["topics"][0] == TRANSFER_TOPIC


def _transfer(log: Any) -> TokenTransfer:
    return TokenTransfer(
        tx_hash=_hash(log["transactionHash"]),
        log_index=number(log["logIndex"]),
        block_number=number(log["blockNumber"]),
        block_hash=_hash(log["blockHash"]),
        sender=_address(_hash(log["topics"][1])),
        recipient=_address(_hash(log["topics"][2])),
        amount_glm=amount(log["data"]),
    )


def _hash(answer: Any) -> str:
    """As the database keeps it."""
    if not isinstance(answer, str) or len(answer) != 66:
        raise ValueError("expected 32 bytes in hex")
    return answer


def _address(answer: Any) -> str:
    """The last 20 bytes, in lower case."""
    if not isinstance(answer, str) or len(answer) < 42:
        raise ValueError("expected an address")
    return "0x" + answer[-40:].lower()
