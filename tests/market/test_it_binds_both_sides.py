"""Agreements as an ordinary Ethereum wallet library reads them, and what a changed byte does to a signature.

What is signed is encoded by the house; what is read is encoded by eth-account alone, from types and values
that are written out here once more.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent import typed_data
from agent.protocol import Price, Terms
from tests.cast import id_of, key_of_bee

CHAIN_ID = 31337
BEE, QUEEN = key_of_bee(1), key_of_bee(2)

WORD = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1, max_size=30)
AMOUNT = st.integers(0, 10**24).map(lambda wei: Decimal(wei).scaleb(-18))
MILLIS = st.integers(0, 2**62 - 1)
SIZE = st.integers(0, 10**6).map(lambda milli: Decimal(milli) / 1000)
TERMS = st.builds(
    Terms,
    agreement_id=st.uuids().map(str),
    requestor=st.just(id_of(QUEEN)),
    provider=st.just(id_of(BEE)),
    offer_id=st.uuids().map(str),
    runtime=WORD,
    image=WORD,
    cpu_threads=SIZE,
    mem_gib=SIZE,
    storage_gib=SIZE,
    gpus=st.integers(0, 64),
    price=st.builds(Price, start_glm=AMOUNT, cpu_second_glm=AMOUNT, second_glm=AMOUNT, egress_gib_glm=AMOUNT),
    valid_from_ms=MILLIS,
    expires_at_ms=MILLIS,
    team=WORD,
)
TYPES = [
    {"name": name, "type": kind}
    for name, kind in (
        ("agreementId", "string"),
        ("requestor", "address"),
        ("provider", "address"),
        ("offerId", "string"),
        ("runtime", "string"),
        ("image", "string"),
        ("cpuThreadsMilli", "uint256"),
        ("memBytes", "uint256"),
        ("storageBytes", "uint256"),
        ("gpus", "uint256"),
        ("startWei", "uint256"),
        ("cpuSecondWei", "uint256"),
        ("secondWei", "uint256"),
        ("egressGibWei", "uint256"),
        ("validFromMs", "uint64"),
        ("expiresAtMs", "uint64"),
        ("team", "string"),
    )
]


def as_a_wallet_reads(terms: Terms) -> dict[str, Any]:
    """Written out once more, from the terms that people see."""
    price = terms.price
    values = (
        terms.agreement_id,
        terms.requestor,
        terms.provider,
        terms.offer_id,
        terms.runtime,
        terms.image,
        int(terms.cpu_threads * 1000),
        int(terms.mem_gib * 2**30),
        int(terms.storage_gib * 2**30),
        terms.gpus,
        *(
            int(amount.scaleb(18))
            for amount in (price.start_glm, price.cpu_second_glm, price.second_glm, price.egress_gib_glm)
        ),
        terms.valid_from_ms,
        terms.expires_at_ms,
        terms.team,
    )
    return dict(zip((each["name"] for each in TYPES), values, strict=True))


def signer_of(message: dict[str, Any], signature: str, *, chain_id: int = CHAIN_ID) -> str:
    """Whoever eth-account says it was; "" when the signature is none at all."""
    domain = {"name": "Golem Hive", "version": "1", "chainId": chain_id}
    try:
        found = Account.recover_message(
            encode_typed_data(domain, {"Agreement": TYPES}, message), signature=signature
        )
    except Exception:  # eth-keys raises kinds of its own for numbers that are no signature
        return ""
    return str(found).lower()


def signatures(terms: Terms) -> dict[str, str]:
    """By signer: as Queen and Bee make them."""
    message = typed_data.agreement(terms, chain_id=CHAIN_ID)
    return {id_of(key): typed_data.sign(message, key) for key in (BEE, QUEEN)}


def changed_byte(value: str | int, kind: str, at: int, by: int) -> str | int:
    """One byte of what is signed, other than it was; of an address one of its twenty."""
    if kind == "address":
        raw = bytearray(bytes.fromhex(str(value)[2:]))
        raw[at % 20] ^= by
        return "0x" + raw.hex()
    if isinstance(value, int):
        return value ^ (by << 8 * (at % (8 if kind == "uint64" else 32)))
    text = bytearray(value.encode("latin-1", errors="replace"))
    text[at % len(text)] ^= by
    return text.decode("latin-1")


@given(terms=TERMS)
@settings(max_examples=60, deadline=None)
def test_the_signature_of_either_side_verifies_with_a_wallet_library(terms: Terms) -> None:
    for signer, signature in signatures(terms).items():
        assert signer_of(as_a_wallet_reads(terms), signature) == signer


@given(terms=TERMS, field=st.sampled_from(TYPES), at=st.integers(0, 31), by=st.integers(1, 127))
@settings(max_examples=150, deadline=None)
def test_a_changed_byte_of_any_field_does_not(terms: Terms, field: dict[str, str], at: int, by: int) -> None:
    message = as_a_wallet_reads(terms)
    name, kind = field["name"], field["type"]
    other = changed_byte(message[name], kind, at, by)
    assume(other != message[name])
    for signer, signature in signatures(terms).items():
        assert signer_of(message | {name: other}, signature) != signer


@given(terms=TERMS, at=st.integers(0, 64), by=st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_a_changed_byte_of_the_signature_does_not(terms: Terms, at: int, by: int) -> None:
    message = typed_data.agreement(terms, chain_id=CHAIN_ID)
    for signer, signature in signatures(terms).items():
        raw = bytearray(bytes.fromhex(signature[2:]))
        raw[at] ^= by
        # The last byte tells which of two keys it is: wallets read 0 and 1 for 27 and 28, and by EIP-155
        # whatever is above 34.
        assume(at != 64 or (raw[64] <= 28 and raw[64] % 27 != int(signature[-2:], 16) % 27))
        forged = "0x" + raw.hex()
        assert signer_of(as_a_wallet_reads(terms), forged) != signer
        assert not typed_data.is_signed_by(message, forged, signer)


@given(terms=TERMS, chain_id=st.integers(1, 2**31))
@settings(max_examples=30, deadline=None)
def test_nor_does_the_same_on_another_chain(terms: Terms, chain_id: int) -> None:
    assume(chain_id != CHAIN_ID)
    for signer, signature in signatures(terms).items():
        assert signer_of(as_a_wallet_reads(terms), signature, chain_id=chain_id) != signer
