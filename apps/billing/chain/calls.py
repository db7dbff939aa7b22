"""What a transaction asks a contract to do, and what it may cost: plain values, no node is asked.

Encoded by hand as the ABI lays it out (https://docs.soliditylang.org/en/latest/abi-spec.html): four bytes
that name the function, then a word of 32 bytes for each argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.money import ZERO, to_wei

TRANSFER_SELECTOR, BALANCE_SELECTOR = "a9059cbb", "70a08231"


@dataclass(frozen=True, slots=True)
class Call:
    """Attributes: to (the contract, lower case) and data (hex)."""

    to: str
    data: str


@dataclass(frozen=True, slots=True)
class Gas:
    """What a transaction may cost, in units of gas and in wei per unit."""

    limit: int
    max_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class Fees:
    """What is asked for a unit of gas now, in wei: burnt with the block, and on top for who makes it."""

    base_wei: int
    tip_wei: int


MOST_GAS = MOST_GAS_PER_WORD = 100_000
"""A line of a batch is a word, and takes about 30,000 units; a transfer about 50,000."""


LEAST_GAS = 21_000
"""Every transaction takes so much before it does anything: no node takes one with less, ever."""


def most_gas(call: Call) -> int:
    """Units of gas beyond which it is not believed what a call is said to take."""
    return MOST_GAS + MOST_GAS_PER_WORD * (len(call.data) // 64)


def transfer_call(token: str, *, recipient: str, amount_glm: Decimal) -> Call:
    """ERC-20: move so much from the sender to the recipient."""
    return Call(to=token, data=f"0x{TRANSFER_SELECTOR}{word(recipient)}{to_wei(amount_glm):064x}")


def balance_call(token: str, *, owner: str) -> Call:
    """ERC-20: how much the owner has."""
    return Call(to=token, data=f"0x{BALANCE_SELECTOR}{word(owner)}")


def word(address: str) -> str:
    return address.removeprefix("0x").lower().rjust(64, "0")


# -- many at once -----------------------------------------------------------------------------------------

APPROVE_SELECTOR, ALLOWANCE_SELECTOR = "095ea7b3", "dd62ed3e"
DIRECT_SELECTOR, INDIRECT_SELECTOR = "7c26640c", "04f9153b"
"""Of Golem's MultiTransfer contract: golemTransferDirectPacked(bytes32[]) moves GLM from the caller to each,
golemTransferIndirectPacked(bytes32[],uint256) moves the sum to the contract and from there to each."""
UNBOUNDED = 2**256 - 1


@dataclass(frozen=True, slots=True)
class Line:
    """One payment of a batch."""

    recipient: str
    amount_glm: Decimal


def direct_call(contract: str, lines: Sequence[Line]) -> Call:
    return Call(to=contract, data=f"0x{DIRECT_SELECTOR}{_number(32)}{_packed(lines)}")


def indirect_call(contract: str, lines: Sequence[Line]) -> Call:
    total = to_wei(sum((line.amount_glm for line in lines), ZERO))
    return Call(to=contract, data=f"0x{INDIRECT_SELECTOR}{_number(64)}{_number(total)}{_packed(lines)}")


def approve_call(token: str, *, spender: str) -> Call:
    """ERC-20: the spender may move any amount of the sender's from now on."""
    return Call(to=token, data=f"0x{APPROVE_SELECTOR}{word(spender)}{_number(UNBOUNDED)}")


def allowance_call(token: str, *, owner: str, spender: str) -> Call:
    """ERC-20: how much the spender may still move."""
    return Call(to=token, data=f"0x{ALLOWANCE_SELECTOR}{word(owner)}{word(spender)}")


def _packed(lines: Sequence[Line]) -> str:
    """Their number, then a word for each: 20 bytes of address, 12 of amount."""
    words = (f"{line.recipient.removeprefix('0x').lower()}{to_wei(line.amount_glm):024x}" for line in lines)
    return _number(len(lines)) + "".join(words)


def _number(value: int) -> str:
    return f"{value:064x}"
