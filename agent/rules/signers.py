"""Whose signature on an image counts: Ed25519 and cosign (ECDSA P-256) keys, and what they have signed.

A signature is over cosign's "simple signing" document, JSON which names the digest of the image; that the
key is right is half of it, that the digest is this image's is the other half.
Source: https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from agent.protocol import ImageSignature

Key = Ed25519PublicKey | EllipticCurvePublicKey

DOCUMENT = "cosign container image signature"
_RAW_ED25519_BYTES = 32
_INLINE = "expected a public key, Ed25519 or ECDSA P-256 (cosign's): PEM or base64"
_SHAPE = f"{_INLINE}, or a file of these"


class _Image(msgspec.Struct):
    digest: str = msgspec.field(name="docker-manifest-digest")


class _Critical(msgspec.Struct):
    image: _Image
    type: str


class _SimpleSigning(msgspec.Struct):
    critical: _Critical


def read_key(text: str, home: Path) -> Key:
    """A key as it may stand in bee.toml: PEM, base64 (DER, or the 32 bytes of Ed25519), or a file of these.

    A relative path starts at the bee's home. Raises ValueError with what was expected.
    """
    text = text.strip()
    data = _decoded(text)
    if data is None:
        try:
            data = _decoded((home / Path(text).expanduser()).read_text().strip())
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{_SHAPE}; {text[:80]!r} can't be read as any ({error})") from None
    if data is None:
        raise ValueError(f"{_SHAPE}; the file {text!r} is none")
    return _key(data, text)


def key_in(text: str) -> Key:
    """As `read_key`, of what stands in the text itself: PEM or base64. Raises ValueError; reads no file."""
    data = _decoded(text.strip())
    if data is None:
        raise ValueError(f"{_INLINE}; {text[:80]!r} is none")
    return _key(data, text)


def written(key: Key) -> str:
    """In base64 of DER (SubjectPublicKeyInfo): one way to write each key, which `key_in` reads."""
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def signed_by(keys: Sequence[Key], signatures: Iterable[ImageSignature], digests: Collection[str]) -> bool:
    """Whether one of the keys has signed that an image with one of these digests is good."""
    return not vouched_by(keys, signatures).isdisjoint(digests)


def vouched_by(keys: Sequence[Key], signatures: Iterable[ImageSignature]) -> frozenset[str]:
    """The digests of the images for which one of the keys has vouched."""
    found = (_digest_vouched(key, signature) for signature in signatures for key in keys)
    return frozenset(digest for digest in found if digest)


def _digest_vouched(key: Key, signature: ImageSignature) -> str:
    """Empty when the signature is not this key's, or over something else."""
    try:
        payload, proof = _base64(signature.payload), _base64(signature.signature)
        document = msgspec.json.decode(payload, type=_SimpleSigning).critical
        if isinstance(key, Ed25519PublicKey):
            key.verify(proof, payload)
        else:
            key.verify(proof, payload, ECDSA(hashes.SHA256()))
    except (InvalidSignature, msgspec.DecodeError, ValueError):
        return ""
    return document.image.digest if document.type == DOCUMENT else ""


def _decoded(text: str) -> bytes | None:
    """PEM as it is, base64 decoded; None for what is neither."""
    if text.startswith("-----BEGIN"):
        return text.encode()
    try:
        data = _base64(text)
    except ValueError:
        return None
    return data if len(data) >= _RAW_ED25519_BYTES else None


def _key(data: bytes, text: str) -> Key:
    try:
        if len(data) == _RAW_ED25519_BYTES:
            return Ed25519PublicKey.from_public_bytes(data)
        key = (load_pem_public_key if data.startswith(b"-----") else load_der_public_key)(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{_SHAPE}; {text[:80]!r} is none ({error})") from None
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    raise ValueError(f"{_SHAPE}; {text[:80]!r} is a key of another kind")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
