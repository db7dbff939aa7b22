"""The text of EIP-4361 to the letter, and whose key signed one."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.billing.wallets.siwe import Message, NotAnAddress, NotASignature, address_of, signer_of
from tests.billing.wallets_of_tests import OTHER, WALLET, signed

AT = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ADDRESS = WALLET.address.lower()
MESSAGE = Message(
    domain="hive.example:8000",
    address=ADDRESS,
    statement="This wallet belongs to the team bakery.",
    uri="https://hive.example:8000/teams/bakery/billing/wallets/",
    chain_id=137,
    nonce="32891756abcdef",
    issued_at=AT,
    expires_at=AT + timedelta(minutes=10),
)
TEXT = f"""\
hive.example:8000 wants you to sign in with your Ethereum account:
{WALLET.address}

This wallet belongs to the team bakery.

URI: https://hive.example:8000/teams/bakery/billing/wallets/
Version: 1
Chain ID: 137
Nonce: 32891756abcdef
Issued At: 2026-11-21T07:30:00Z
Expiration Time: 2026-11-21T07:40:00Z"""


def test_it_writes_the_text_of_the_standard() -> None:
    assert MESSAGE.text() == TEXT


def test_it_tells_who_signed() -> None:
    assert signer_of(TEXT, signed(TEXT)) == ADDRESS
    assert signer_of(TEXT, signed(TEXT, OTHER)) == OTHER.address.lower()


def test_it_takes_what_hardware_wallets_write() -> None:
    """0 or 1 as the last byte, capitals, no 0x, a line break from the clipboard."""
    body, last = signed(TEXT)[2:-2], int(signed(TEXT)[-2:], 16)
    assert signer_of(TEXT, f"{body.upper()}{last - 27:02x}\n") == ADDRESS


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="ascii", exclude_categories=["Cc"]))
def test_any_other_text_is_not_what_was_signed(place: int, letter: str) -> None:
    other = TEXT[:place] + letter + TEXT[place + 1 :]
    assert (signer_of(other, signed(TEXT)) == ADDRESS) is (other == TEXT)


@given(st.integers(0, 64), st.integers(1, 255))
def test_any_other_signature_is_not_this_wallets(place: int, flip: int) -> None:
    raw = bytearray.fromhex(signed(TEXT)[2:])
    raw[place] ^= flip
    try:
        signer = signer_of(TEXT, raw.hex())
    except NotASignature:
        return
    # 27 and 0, 28 and 1 are the same last byte, written by other wallets.
    assert (signer == ADDRESS) is (place == 64 and raw[64] % 27 == int(signed(TEXT)[-2:], 16) % 27)


@given(st.binary(max_size=200))
def test_no_bytes_break_it(raw: bytes) -> None:
    try:
        signer = signer_of(TEXT, "0x" + raw.hex())
    except NotASignature:
        return
    assert re.fullmatch("0x[0-9a-f]{40}", signer)


@given(st.text(max_size=140))
def test_no_text_breaks_it(text: str) -> None:
    with pytest.raises(NotASignature):
        signer_of(TEXT, text)


def test_it_refuses_the_second_form_of_a_signature() -> None:
    """Anybody can make it from the first without the key."""
    raw = bytes.fromhex(signed(TEXT)[2:])
    turned = ORDER - int.from_bytes(raw[32:64])
    with pytest.raises(NotASignature):
        signer_of(TEXT, (raw[:32] + turned.to_bytes(32) + bytes([55 - raw[64]])).hex())


@pytest.mark.parametrize("raw", [b"", b"\1" * 64, b"\1" * 66, b"\0" * 65, b"\xff" * 65, b"\1" * 64 + b"\2"])
def test_it_refuses_what_no_key_made(raw: bytes) -> None:
    with pytest.raises(NotASignature):
        signer_of(TEXT, "0x" + raw.hex())


def test_it_says_so_of_contract_wallets() -> None:
    with pytest.raises(NotASignature, match="EIP-1271"):
        signer_of(TEXT, "0x" + "ab" * 130)


def test_it_reads_addresses_and_notices_mistyped_ones() -> None:
    mixed = str(WALLET.address)
    assert {address_of(mixed), address_of(ADDRESS), address_of("0x" + ADDRESS[2:].upper())} == {ADDRESS}
    for wrong in ("", "0x12", mixed + "0", mixed[2:], " " + mixed, "0x" + "g" * 40, mixed + "\n"):
        with pytest.raises(NotAnAddress, match="40 hexadecimal digits"):
            address_of(wrong)
    with pytest.raises(NotAnAddress, match="mistyped"):
        address_of(mixed[:2] + mixed[2:].swapcase())
