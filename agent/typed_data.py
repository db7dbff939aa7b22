"""EIP-712 typed data that Queen and Bee sign, so that any Ethereum wallet library can check it.

Every signature is over the domain {name: "Golem Hive", version: "1", chainId}; amounts are in wei (1 GLM =
10^18), spans in milliseconds and CPU threads in thousandths, because EIP-712 knows whole numbers only.
Source: https://eips.ethereum.org/EIPS/eip-712
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from agent import eip712, keys
from agent.eip712 import Fields, SignableMessage
from agent.keys import Signer
from agent.protocol import DebitNote, Offer, Price, Terms, Usage

NO_HASH = "0x" + "00" * 32

_PRICE: Fields = (
    ("startWei", "uint256"),
    ("cpuSecondWei", "uint256"),
    ("secondWei", "uint256"),
    ("egressGibWei", "uint256"),
)
_SIZE: Fields = (
    ("cpuThreadsMilli", "uint256"),
    ("memBytes", "uint256"),
    ("storageBytes", "uint256"),
    ("gpus", "uint256"),
)
TYPES: dict[str, Fields] = {
    "Login": (
        ("node", "address"),
        ("queen", "address"),
        ("nonce", "bytes32"),
    ),
    "Offer": (
        ("offerId", "string"),
        ("node", "address"),
        ("runtime", "string"),
        *_SIZE,
        *_PRICE,
        ("propertiesHash", "bytes32"),
        ("issuedAtMs", "uint64"),
        ("validMs", "uint64"),
    ),
    "Agreement": (
        ("agreementId", "string"),
        ("requestor", "address"),
        ("provider", "address"),
        ("offerId", "string"),
        ("runtime", "string"),
        ("image", "string"),
        *_SIZE,
        *_PRICE,
        ("validFromMs", "uint64"),
        ("expiresAtMs", "uint64"),
        ("team", "string"),
    ),
    "Plan": (
        ("planId", "string"),
        ("queen", "address"),
        ("team", "string"),
        ("name", "string"),
        ("sourceHash", "bytes32"),
        ("contentHash", "bytes32"),
        ("pricePerHourWei", "uint256"),
        ("expiresAtMs", "uint64"),
    ),
    "Invoice": (
        ("number", "string"),
        ("issuer", "address"),
        ("bodyHash", "bytes32"),
        ("totalWei", "uint256"),
    ),
    "Usage": (
        ("agreementId", "string"),
        ("sequence", "uint64"),
        ("previousHash", "bytes32"),
        ("startedAtMs", "uint64"),
        ("endedAtMs", "uint64"),
        ("runningMs", "uint64"),
        ("cpuMs", "uint64"),
        ("egressBytes", "uint64"),
        ("final", "bool"),
    ),
    "DebitNote": (
        ("agreementId", "string"),
        ("sequence", "uint64"),
        ("usageHash", "bytes32"),
        ("amountWei", "uint256"),
        ("final", "bool"),
    ),
}


def login(*, node: str, queen: str, nonce: str, chain_id: int) -> SignableMessage:
    return _encode("Login", {"node": node, "queen": queen, "nonce": nonce}, chain_id)


def offer(offer: Offer, *, node: str, chain_id: int) -> SignableMessage:
    message = {
        "offerId": offer.offer_id,
        "node": node,
        "runtime": offer.runtime,
        **_size(offer),
        **_price(offer.price),
        "propertiesHash": json_hash(offer.properties),
        "issuedAtMs": offer.issued_at_ms,
        "validMs": int(offer.valid_s * 1000),
    }
    return _encode("Offer", message, chain_id)


def agreement(terms: Terms, *, chain_id: int) -> SignableMessage:
    message = {
        "agreementId": terms.agreement_id,
        "requestor": terms.requestor,
        "provider": terms.provider,
        "offerId": terms.offer_id,
        "runtime": terms.runtime,
        "image": terms.image,
        **_size(terms),
        **_price(terms.price),
        "validFromMs": terms.valid_from_ms,
        "expiresAtMs": terms.expires_at_ms,
        "team": terms.team,
    }
    return _encode("Agreement", message, chain_id)


def plan_says(
    *,
    plan_id: str,
    queen: str,
    team: str,
    name: str,
    source: str,
    content: dict[str, Any],
    price_per_hour_glm: Decimal,
    expires_at_ms: int,
) -> dict[str, Any]:
    """What the Queen says would be placed: the Compose file and what is made of it as hashes."""
    return {
        "planId": plan_id,
        "queen": queen,
        "team": team,
        "name": name,
        "sourceHash": text_hash(source),
        "contentHash": json_hash(content),
        "pricePerHourWei": _wei(price_per_hour_glm),
        "expiresAtMs": expires_at_ms,
    }


def plan(says: dict[str, Any], *, chain_id: int) -> SignableMessage:
    return _encode("Plan", says, chain_id)


def invoice(*, number: str, issuer: str, body: Any, total_glm: Decimal, chain_id: int) -> SignableMessage:
    """An invoice or a credit note: all that stands on it as a hash."""
    message = {
        "number": number,
        "issuer": issuer,
        "bodyHash": json_hash(body),
        "totalWei": _wei(total_glm),
    }
    return _encode("Invoice", message, chain_id)


def usage(report: Usage, *, chain_id: int) -> SignableMessage:
    """`hash` and `signature` of the report are left out: they are made from the rest."""
    message = {
        "agreementId": report.agreement_id,
        "sequence": report.sequence,
        "previousHash": report.previous_hash,
        "startedAtMs": report.started_at_ms,
        "endedAtMs": report.ended_at_ms,
        "runningMs": report.running_ms,
        "cpuMs": report.cpu_ms,
        "egressBytes": report.egress_bytes,
        "final": report.final,
    }
    return _encode("Usage", message, chain_id)


def debit_note(note: DebitNote, *, chain_id: int) -> SignableMessage:
    message = {
        "agreementId": note.agreement_id,
        "sequence": note.sequence,
        "usageHash": note.usage_hash,
        "amountWei": _wei(note.amount_glm),
        "final": note.final,
    }
    return _encode("DebitNote", message, chain_id)


def for_wallets(name: str, message: dict[str, Any], *, chain_id: int) -> dict[str, Any]:
    """The same as EIP-712's own JSON, which wallets take; numbers as texts, for JSON's are too small."""
    types = {"EIP712Domain": eip712.DOMAIN_FIELDS, name: TYPES[name]}
    return {
        "domain": {"name": "Golem Hive", "version": "1", "chainId": chain_id},
        "primaryType": name,
        "types": {
            each: [{"name": field, "type": kind} for field, kind in fields] for each, fields in types.items()
        },
        "message": {
            field: str(message[field]) if kind.startswith("uint") else message[field]
            for field, kind in TYPES[name]
        },
    }


_SIGNATURE = re.compile(r"0x[0-9a-f]{130}")


def sign(message: SignableMessage, key: Signer) -> str:
    """65-byte signature, hex with 0x."""
    return "0x" + keys.sign(message.digest, key).hex()


def digest(message: SignableMessage) -> str:
    """The 32 bytes that are signed, hex with 0x; the link of the usage chain."""
    return "0x" + message.digest.hex()


def is_signed_by(message: SignableMessage, signature: str, address: str) -> bool:
    """False for a signature of somebody else and for one that is no signature at all.

    It has one form, that of `sign`: `bytes.fromhex` alone would skip blanks, any number of them.
    """
    if not _SIGNATURE.fullmatch(signature):
        return False
    try:
        signer = keys.signer_of(message.digest, bytes.fromhex(signature[2:]))
    except Exception:  # libsecp256k1's wrapper raises kinds of its own for numbers that are no signature
        return False
    return signer == address.lower()


def _encode(name: str, message: dict[str, Any], chain_id: int) -> SignableMessage:
    domain = eip712.domain_hash("Golem Hive", "1", chain_id)
    return eip712.encode(name, TYPES[name], message, domain=domain)


def json_hash(content: dict[str, Any]) -> str:
    """Keccak-256 of the content as JSON with sorted keys, without spaces, in UTF-8; hex with 0x."""
    return text_hash(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def text_hash(text: str) -> str:
    """Keccak-256 of the text in UTF-8; hex with 0x."""
    return "0x" + keys.keccak(text.encode()).hex()


def _size(sized: Offer | Terms) -> dict[str, int]:
    return {
        "cpuThreadsMilli": _milli(sized.cpu_threads),
        "memBytes": _bytes(sized.mem_gib),
        "storageBytes": _bytes(sized.storage_gib),
        "gpus": sized.gpus,
    }


def _price(price: Price) -> dict[str, int]:
    return {
        "startWei": _wei(price.start_glm),
        "cpuSecondWei": _wei(price.cpu_second_glm),
        "secondWei": _wei(price.second_glm),
        "egressGibWei": _wei(price.egress_gib_glm),
    }


def _wei(amount_glm: Decimal) -> int:
    return int(amount_glm.scaleb(18))


def _milli(threads: Decimal) -> int:
    return int(threads * 1000)


def _bytes(gib: Decimal) -> int:
    return int(gib * (1 << 30))
