"""Keys, signatures and key files of our own making, held against those of eth-account."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import keys, keystore, typed_data
from agent.protocol import DebitNote, Offer, Price, Terms, Usage

KEY = keys.key_of(b"\x07" * 32)
THEIRS = Account.from_key(b"\x07" * 32)
CHAIN_ID = 31337

ADDRESS = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
HASH = st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex())
TEXT = st.text(max_size=40).filter(lambda text: text.encode(errors="ignore").decode() == text)
AMOUNT = st.decimals(0, 10**9, places=18)
COUNT = st.integers(0, 2**31 - 1)
MILLIS = st.integers(0, 2**62 - 1)
PRICE = st.builds(Price, start_glm=AMOUNT, second_glm=AMOUNT, cpu_second_glm=AMOUNT, egress_gib_glm=AMOUNT)
SIZE = st.decimals(0, 1000, places=3)
SIGNATURE = st.just("")

LOGINS = st.builds(typed_data.login, node=ADDRESS, queen=ADDRESS, nonce=HASH, chain_id=st.just(CHAIN_ID))
OFFERS = st.builds(
    Offer,
    offer_id=TEXT,
    runtime=TEXT,
    cpu_threads=SIZE,
    mem_gib=SIZE,
    storage_gib=SIZE,
    price=PRICE,
    valid_s=st.floats(0, 1e6),
    issued_at_ms=MILLIS,
    signature=SIGNATURE,
)
AGREEMENTS = st.builds(
    Terms,
    agreement_id=TEXT,
    requestor=ADDRESS,
    provider=ADDRESS,
    offer_id=TEXT,
    runtime=TEXT,
    image=TEXT,
    cpu_threads=SIZE,
    mem_gib=SIZE,
    price=PRICE,
    valid_from_ms=MILLIS,
    expires_at_ms=MILLIS,
    team=TEXT,
)
REPORTS = st.builds(
    Usage,
    agreement_id=TEXT,
    sequence=COUNT,
    previous_hash=HASH,
    started_at_ms=MILLIS,
    ended_at_ms=MILLIS,
    running_ms=MILLIS,
    cpu_ms=MILLIS,
    egress_bytes=MILLIS,
    final=st.booleans(),
    hash=SIGNATURE,
    signature=SIGNATURE,
)
NOTES = st.builds(
    DebitNote,
    agreement_id=TEXT,
    sequence=COUNT,
    usage_hash=HASH,
    amount_glm=AMOUNT,
    final=st.booleans(),
    signature=SIGNATURE,
)
MESSAGES = st.one_of(
    LOGINS,
    st.builds(typed_data.offer, OFFERS, node=ADDRESS, chain_id=COUNT),
    st.builds(typed_data.agreement, AGREEMENTS, chain_id=COUNT),
    st.builds(typed_data.usage, REPORTS, chain_id=COUNT),
    st.builds(typed_data.debit_note, NOTES, chain_id=COUNT),
)


def theirs(name: str, message: dict[str, Any], chain_id: int) -> Any:
    types = {name: [{"name": each, "type": kind} for each, kind in typed_data.TYPES[name]]}
    domain = {"name": "Golem Hive", "version": "1", "chainId": chain_id}
    return encode_typed_data(domain, types, message)


def compare(patch: pytest.MonkeyPatch) -> None:
    """From now on each message is encoded by both."""
    ours = typed_data._encode

    def both(name: str, message: dict[str, Any], chain_id: int) -> Any:
        mine, other = ours(name, message, chain_id), theirs(name, message, chain_id)
        assert tuple(mine) == tuple(other)
        return mine

    patch.setattr(typed_data, "_encode", both)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_it_encodes_and_signs_every_message_as_eth_account_does(data: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        compare(patch)
        message = data.draw(MESSAGES)
    signature = typed_data.sign(message, KEY)
    assert signature == "0x" + THEIRS.sign_message(message).signature.hex()
    assert Account.recover_message(message, signature=signature) == THEIRS.address
    assert typed_data.is_signed_by(message, signature, THEIRS.address)
    assert not typed_data.is_signed_by(message, signature, "0x" + "11" * 20)


@pytest.mark.parametrize(
    "signature",
    ["", "0x", "nonsense", "0x" + "00" * 65, "0x" + "ff" * 65, "0x" + "11" * 64, "0x" + "11" * 64 + "1d"],
)
def test_what_is_no_signature_is_nobodys(signature: str) -> None:
    message = typed_data.login(node=KEY.address, queen=KEY.address, nonce="0x" + "22" * 32, chain_id=1)
    assert not typed_data.is_signed_by(message, signature, KEY.address)


def test_a_signature_has_one_form_alone() -> None:
    """What is stored of it, and shown, is no longer than a signature, and the same each time."""
    message = typed_data.login(node=KEY.address, queen=KEY.address, nonce="0x" + "22" * 32, chain_id=1)
    signature = typed_data.sign(message, KEY)
    digits = signature[2:]
    assert typed_data.is_signed_by(message, signature, KEY.address)
    others = ["0x" + " " * 200 + digits, f"{signature}\n", f"0x{digits[:64]} {digits[64:]}", digits]
    for other in [*others, signature.upper(), "0x" + digits.upper()]:
        assert not typed_data.is_signed_by(message, other, KEY.address), other


def test_it_refuses_the_second_form_that_anybody_can_make() -> None:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    message = typed_data.login(node=KEY.address, queen=KEY.address, nonce="0x" + "22" * 32, chain_id=1)
    raw = keys.sign(message.digest, KEY)
    turned = order - int.from_bytes(raw[32:64], "big")
    second = raw[:32] + turned.to_bytes(32, "big") + bytes([55 - raw[64]])
    assert Account._recover_hash(message.digest, signature=second).lower() == KEY.address
    assert not typed_data.is_signed_by(message, "0x" + second.hex(), KEY.address)


@pytest.mark.parametrize(
    "wrong", [{"nonce": "0x12"}, {"nonce": "0x" + "zz" * 32}, {"node": "0x12"}, {"node": "12" * 21}]
)
def test_it_encodes_nothing_that_has_not_its_form(wrong: dict[str, str]) -> None:
    good = {"node": KEY.address, "queen": KEY.address, "nonce": "0x" + "22" * 32}
    with pytest.raises(ValueError):
        typed_data.login(**(good | wrong), chain_id=1)


@pytest.mark.parametrize("amount", [Decimal(-1), Decimal(2) ** 256])
def test_it_encodes_no_number_out_of_range(amount: Decimal) -> None:
    note = DebitNote(
        agreement_id="a",
        sequence=1,
        usage_hash=typed_data.NO_HASH,
        amount_glm=amount,
        final=False,
        signature="",
    )
    with pytest.raises(ValueError):
        typed_data.debit_note(note, chain_id=1)


def test_any_wallet_opens_its_key_file() -> None:
    key = keys.make_key()
    content = keystore.encrypt(key, "secret", iterations=1000)
    assert bytes(Account.decrypt(content, "secret")) == key.key
    assert Account.from_key(key.key).address.lower() == key.address == "0x" + json.loads(content)["address"]


@pytest.mark.parametrize(("kdf", "iterations"), [("pbkdf2", 1000), ("scrypt", 1024)])
def test_it_opens_a_key_file_of_any_wallet(kdf: Any, iterations: int) -> None:
    theirs = json.dumps(Account.encrypt(THEIRS.key, "secret", kdf=kdf, iterations=iterations))
    assert keystore.decrypt(theirs, "secret") == KEY
    with pytest.raises(ValueError, match="the password is wrong"):
        keystore.decrypt(theirs, "Secret")


def test_it_shows_no_secret() -> None:
    assert "07" * 8 not in repr(KEY) and "\\x07" not in repr(KEY)
