"""EIP-712 typed data that Queen and Bee sign, so that any Ethereum wallet library can check it.

Every signature is over `domain(chain_id)`; amounts are in wei (1 GLM = 10^18), spans in milliseconds and
CPU threads in thousandths, because EIP-712 knows whole numbers only. Source: https://eips.ethereum.org/EIPS/eip-712
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, _hash_eip191_message, encode_typed_data
from eth_account.signers.local import LocalAccount

from agent.protocol import DebitNote, Offer, Price, Terms, Usage

NO_HASH = "0x" + "00" * 32

_PRICE = [
    {"name": "startWei", "type": "uint256"},
    {"name": "cpuSecondWei", "type": "uint256"},
    {"name": "secondWei", "type": "uint256"},
    {"name": "egressGibWei", "type": "uint256"},
]
TYPES: dict[str, list[dict[str, str]]] = {
    "Login": [
        {"name": "node", "type": "address"},
        {"name": "queen", "type": "address"},
        {"name": "nonce", "type": "bytes32"},
    ],
    "Offer": [
        {"name": "offerId", "type": "string"},
        {"name": "node", "type": "address"},
        {"name": "runtime", "type": "string"},
        {"name": "cpuThreadsMilli", "type": "uint256"},
        {"name": "memBytes", "type": "uint256"},
        *_PRICE,
        {"name": "issuedAtMs", "type": "uint64"},
        {"name": "validMs", "type": "uint64"},
    ],
    "Agreement": [
        {"name": "agreementId", "type": "string"},
        {"name": "requestor", "type": "address"},
        {"name": "provider", "type": "address"},
        {"name": "offerId", "type": "string"},
        {"name": "runtime", "type": "string"},
        {"name": "image", "type": "string"},
        {"name": "cpuThreadsMilli", "type": "uint256"},
        {"name": "memBytes", "type": "uint256"},
        *_PRICE,
        {"name": "validFromMs", "type": "uint64"},
        {"name": "expiresAtMs", "type": "uint64"},
        {"name": "team", "type": "string"},
    ],
    "Usage": [
        {"name": "agreementId", "type": "string"},
        {"name": "sequence", "type": "uint64"},
        {"name": "previousHash", "type": "bytes32"},
        {"name": "startedAtMs", "type": "uint64"},
        {"name": "endedAtMs", "type": "uint64"},
        {"name": "runningMs", "type": "uint64"},
        {"name": "cpuMs", "type": "uint64"},
        {"name": "egressBytes", "type": "uint64"},
        {"name": "final", "type": "bool"},
    ],
    "DebitNote": [
        {"name": "agreementId", "type": "string"},
        {"name": "sequence", "type": "uint64"},
        {"name": "usageHash", "type": "bytes32"},
        {"name": "amountWei", "type": "uint256"},
        {"name": "final", "type": "bool"},
    ],
}


def domain(chain_id: int) -> dict[str, Any]:
    return {"name": "Golem Hive", "version": "1", "chainId": chain_id}


def login(*, node: str, queen: str, nonce: str, chain_id: int) -> SignableMessage:
    return _encode("Login", {"node": node, "queen": queen, "nonce": nonce}, chain_id)


def offer(offer: Offer, *, node: str, chain_id: int) -> SignableMessage:
    message = {
        "offerId": offer.offer_id,
        "node": node,
        "runtime": offer.runtime,
        "cpuThreadsMilli": _milli(offer.cpu_threads),
        "memBytes": _bytes(offer.mem_gib),
        **_price(offer.price),
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
        "cpuThreadsMilli": _milli(terms.cpu_threads),
        "memBytes": _bytes(terms.mem_gib),
        **_price(terms.price),
        "validFromMs": terms.valid_from_ms,
        "expiresAtMs": terms.expires_at_ms,
        "team": terms.team,
    }
    return _encode("Agreement", message, chain_id)


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


def sign(message: SignableMessage, key: LocalAccount) -> str:
    """65-byte signature, hex with 0x."""
    return "0x" + bytes(key.sign_message(message).signature).hex()


def digest(message: SignableMessage) -> str:
    """The 32 bytes that are signed, hex with 0x; the link of the usage chain."""
    return "0x" + bytes(_hash_eip191_message(message)).hex()


def is_signed_by(message: SignableMessage, signature: str, address: str) -> bool:
    """False for a signature of somebody else and for one that is no signature at all."""
    try:
        signer = Account.recover_message(message, signature=signature)
    except Exception:  # eth-keys, rlp and binascii each raise their own kinds for malformed bytes
        return False
    return str(signer).lower() == address.lower()


def _encode(name: str, message: dict[str, Any], chain_id: int) -> SignableMessage:
    return encode_typed_data(domain(chain_id), {name: TYPES[name]}, message)


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
