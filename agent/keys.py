"""secp256k1 as Ethereum uses it: keys, addresses, signatures that tell who signed.

By libsecp256k1 itself: eth-account, with all that it brings, is a third of an idle Bee's memory and half a
second of each start. The results are the same, which the tests hold against it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from coincurve import PrivateKey, PublicKey
from Crypto.Hash import keccak as _keccak

HALF_OF_CURVE = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Anybody can make a second form of a signature, with s above it, without the key; no wallet does (EIP-2)."""


class Signer(Protocol):
    """What a key must have to sign with: those of eth-account do, too."""

    @property
    def address(self) -> str: ...

    @property
    def key(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Key:
    key: bytes = field(repr=False)
    """32 bytes, secret."""
    address: str
    """Ethereum address in lower case."""


def make_key() -> Key:
    return key_of(PrivateKey(None).secret)


def key_of(secret: bytes) -> Key:
    """Raises ValueError for what is no key."""
    return Key(secret, _address(PrivateKey(secret).public_key))


def keccak(data: bytes) -> bytes:
    return bytes(_keccak.new(digest_bits=256, data=data).digest())


def sign(digest: bytes, key: Signer) -> bytes:
    """65 bytes: r, s, and 27 or 28."""
    signature = PrivateKey(bytes(key.key)).sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([signature[64] + 27])


def signer_of(digest: bytes, signature: bytes) -> str:
    """Whose signature it is: an address. Raises ValueError (or one of coincurve's own) for none at all."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise ValueError("expected 65 bytes that end with 27 or 28")
    if int.from_bytes(signature[32:64], "big") > HALF_OF_CURVE:
        raise ValueError("it is the second form of a signature")
    standard = signature[:64] + bytes([signature[64] - 27])
    return _address(PublicKey.from_signature_and_message(standard, digest, hasher=None))


def _address(public: PublicKey) -> str:
    return "0x" + keccak(public.format(compressed=False)[1:])[-20:].hex()
