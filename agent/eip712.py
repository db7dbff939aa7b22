"""EIP-712: structured data as the bytes that are signed. Only for flat structs, which is all that we have.

Source: https://eips.ethereum.org/EIPS/eip-712, https://eips.ethereum.org/EIPS/eip-191
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from agent.keys import keccak

Fields = tuple[tuple[str, str], ...]
"""Name and type of each member."""
DOMAIN_FIELDS: Fields = (("name", "string"), ("version", "string"), ("chainId", "uint256"))


class SignableMessage(NamedTuple):
    """The parts of EIP-191's version 1, under eth-account's names: it takes them as they are."""

    version: bytes
    header: bytes
    """Hash of the domain."""
    body: bytes
    """Hash of the struct."""

    @property
    def digest(self) -> bytes:
        return keccak(b"\x19" + self.version + self.header + self.body)


def encode(name: str, fields: Fields, message: dict[str, Any], *, domain: bytes) -> SignableMessage:
    """Raises ValueError for a value that its type can't have."""
    return SignableMessage(b"\x01", domain, _hash(name, fields, message))


@lru_cache(maxsize=16)
def domain_hash(name: str, version: str, chain_id: int) -> bytes:
    return _hash("EIP712Domain", DOMAIN_FIELDS, {"name": name, "version": version, "chainId": chain_id})


def _hash(name: str, fields: Fields, message: dict[str, Any]) -> bytes:
    return keccak(_type_hash(name, fields) + b"".join(_word(kind, message[each]) for each, kind in fields))


@lru_cache(maxsize=32)
def _type_hash(name: str, fields: Fields) -> bytes:
    return keccak(f"{name}({','.join(f'{kind} {each}' for each, kind in fields)})".encode())


def _word(kind: str, value: Any) -> bytes:
    """One value in 32 bytes."""
    return _WORDS[kind](value)


def _address(value: str) -> bytes:
    return _bytes_of(value, 20).rjust(32, b"\0")


def _bytes32(value: str) -> bytes:
    return _bytes_of(value, 32)


def _bytes_of(value: str, count: int) -> bytes:
    found = bytes.fromhex(value.removeprefix("0x"))
    if len(found) != count or len(value) != 2 * count + 2:
        raise ValueError(f"expected 0x and {count} bytes, got {value!r}")
    return found


def _uint(bits: int) -> Callable[[int], bytes]:
    def word(value: int) -> bytes:
        if not 0 <= value < 1 << bits:
            raise ValueError(f"expected a whole number from 0 to 2^{bits}, got {value}")
        return value.to_bytes(32, "big")

    return word


_WORDS: dict[str, Callable[[Any], bytes]] = {
    "address": _address,
    "bool": lambda value: bool(value).to_bytes(32, "big"),
    "bytes32": _bytes32,
    "string": lambda value: keccak(value.encode()),
    "uint256": _uint(256),
    "uint64": _uint(64),
}
