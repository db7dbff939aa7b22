"""What nodes answer, read into plain values that can be held against each other.

What can't be read, can't be kept, or is about something else than was asked raises one of UNREADABLE: the
node that said it talks nonsense, and another is asked. Shapes: https://ethereum.github.io/execution-apis/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from apps.money import from_wei

UNREADABLE = (TypeError, KeyError, ValueError, IndexError, AttributeError, ArithmeticError)

TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""keccak256("Transfer(address,address,uint256)"), https://eips.ethereum.org/EIPS/eip-20"""
GAS_BITS, GAS_PRICE_BITS = 32, 60
"""A hundred times what a block takes, and a whole coin for a unit: all that it costs the ledger can hold."""
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,64}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0x(?:[0-9a-fA-F]{24})?[0-9a-fA-F]{40}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Block:
    number: int
    hash: str
    parent_hash: str


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Carried:
    """A transaction in a block, and the token's transfers that it caused."""

    sender: str
    to: str
    receipt: Receipt
    transfers: tuple[TokenTransfer, ...]


# -- answers ----------------------------------------------------------------------------------------------


def number(answer: Any, *, bits: int = 256) -> int:
    """From zero up, in at most so many bits."""
    if not isinstance(answer, str) or not _NUMBER.fullmatch(answer):
        raise ValueError("expected a number in hex")
    found = int(answer, 16)
    if found >> bits:
        raise ValueError(f"expected a number of {bits} bits")
    return found


def count(answer: Any) -> int:
    """Of blocks or of transactions: as large as the database keeps it."""
    return number(answer, bits=63)


def amount(answer: Any) -> Decimal:
    """Of GLM, or of the chain's coin."""
    return from_wei(number(answer))


def block(answer: Any, *, at: int) -> Block | None:
    if answer is None:
        return None
    found = Block(count(answer["number"]), _hash(answer["hash"]), _hash(answer["parentHash"]))
    return _about(found, found.number, at)


def base_fee(answer: Any) -> int:
    """Of a block, in wei; chains from before EIP-1559 have none."""
    return number(answer.get("baseFeePerGas", "0x0"))


def receipt(answer: Any, *, of: str) -> Receipt | None:
    if answer is None:
        return None
    found = Receipt(
        tx_hash=_hash(answer["transactionHash"]),
        block_hash=_hash(answer["blockHash"]),
        block_number=count(answer["blockNumber"]),
        succeeded=number(answer["status"]) == 1,
        gas_used=number(answer["gasUsed"], bits=GAS_BITS),
        gas_price_wei=number(answer["effectiveGasPrice"], bits=GAS_PRICE_BITS),
    )
    return _about(found, found.tx_hash, of)


def carried(answer: Any, *, of: str, token: str) -> Carried | None:
    """Of a receipt: with the transfers of this token alone."""
    fate = receipt(answer, of=of)
    if fate is None:
        return None
    logs = [log for log in _listed(answer["logs"]) if _is_transfer(log, token)]
    to = answer["to"]
    return Carried(
        sender=_address(answer["from"]),
        to=_address(to) if to else "",
        receipt=fate,
        transfers=tuple(_transfer(log) for log in logs),
    )


def transfers(answer: Any, *, token: str, blocks: range) -> list[TokenTransfer]:
    """Of logs that are transfers of the token in these blocks; those of a block that is gone are left out."""
    logs = [log for log in _listed(answer) if not log.get("removed")]
    found = [_transfer(log) for log in logs if _is_transfer(log, token)]
    if len(found) < len(logs) or any(each.block_number not in blocks for each in found):
        raise ValueError("expected transfers of the token in these blocks")
    return found


# -- their parts ------------------------------------------------------------------------------------------


def _listed(answer: Any) -> list[Any]:
    if not isinstance(answer, list):
        raise TypeError("expected a list")
    return answer


def _is_transfer(log: Any, token: str) -> bool:
    topics = log["topics"]
    return bool(log["address"].lower() == token and len(topics) == 3 and topics[0] == TRANSFER_TOPIC)


def _transfer(log: Any) -> TokenTransfer:
    return TokenTransfer(
        tx_hash=_hash(log["transactionHash"]),
        log_index=number(log["logIndex"], bits=31),
        block_number=count(log["blockNumber"]),
        block_hash=_hash(log["blockHash"]),
        sender=_address(_hash(log["topics"][1])),
        recipient=_address(_hash(log["topics"][2])),
        amount_glm=amount(log["data"]),
    )


def _hash(answer: Any) -> str:
    """As the database keeps it: in lower case."""
    if not isinstance(answer, str) or not _HASH.fullmatch(answer):
        raise ValueError("expected 32 bytes in hex")
    return answer.lower()


def _about(found: T, told: object, asked: object) -> T:
    """Some nodes mix up answers, or give the newest block in place of one that they don't have."""
    if told != asked:
        raise ValueError(f"expected an answer about {asked}")
    return found


def _address(answer: Any) -> str:
    """The last 20 bytes, in lower case."""
    if not isinstance(answer, str) or not _ADDRESS.fullmatch(answer):
        raise ValueError("expected an address")
    return "0x" + answer[-40:].lower()
