"""What a transaction asks a contract to do, and what it may cost: plain values, no node is asked.

Encoded by hand as the ABI lays it out (https://docs.soliditylang.org/en/latest/abi-spec.html): four bytes
that name the function, then a word of 32 bytes for each argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from apps.money import to_wei

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


def transfer_call(token: str, *, recipient: str, amount_glm: Decimal) -> Call:
    """ERC-20: move so much from the sender to the recipient."""
    return Call(to=token, data=f"0x{TRANSFER_SELECTOR}{word(recipient)}{to_wei(amount_glm):064x}")


def balance_call(token: str, *, owner: str) -> Call:
    """ERC-20: how much the owner has."""
    return Call(to=token, data=f"0x{BALANCE_SELECTOR}{word(owner)}")


def word(address: str) -> str:
    return address.removeprefix("0x").lower().rjust(64, "0")
