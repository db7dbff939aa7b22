"""`hive wallet`: whose wallets, proving one, and a QR code to pay in with."""

import json
from typing import Any

import pytest

from hive_client.quick_response import drawn
from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, page, refusal

AT = "2026-01-01T00:00:00Z"
ADDRESS = "0x" + "ab" * 20
WALLET = {"address": ADDRESS, "is_proven": True, "created_at": AT}
MESSAGE = {"address": ADDRESS, "nonce": "5f2d", "message": "hive.example wants\nyou", "expires_at": AT}


def request(**fields: Any) -> dict[str, Any]:
    return {
        "amount_glm": "25",
        "chain_id": 137,
        "token": "0xT",
        "recipient": "0xR",
        "link": "ethereum:0xT@137/transfer?address=0xR&uint256=25",
        "qr_rows": ["10", "01"],
    } | fields


def test_it_lists_wallets(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "wallets/", page(WALLET, WALLET | {"address": "0xcd", "is_proven": False}))
    _, first, second = hive("wallet").stdout.splitlines()
    assert first.split()[:2] == [ADDRESS, "proven"]
    assert second.split()[:3] == ["0xcd", "not", "proven"]


def test_it_shows_the_message_and_asks_for_the_signature(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("POST", "wallets/messages/", (201, MESSAGE))
    double.answers("POST", "wallets/", (201, WALLET))
    result = hive("wallet", "prove", ADDRESS, "-o", "json", stdin="0x12\n")
    assert "hive.example wants\nyou\n" in result.stderr
    assert json.loads(result.stdout)["is_proven"] is True
    assert [body for _, _, body in double.asked] == [
        {"address": ADDRESS},
        {"nonce": "5f2d", "signature": "0x12"},
    ]


def test_it_writes_the_message_to_the_letter(hive: Run, double: DoubleOfTheHive) -> None:
    """A line break at its end would make another signature."""
    double.answers("POST", "wallets/messages/", (201, MESSAGE))
    result = hive("wallet", "message", ADDRESS)
    assert result.stdout == MESSAGE["message"]
    assert "Nonce 5f2d" in result.stderr


def test_it_hands_in_a_signature_made_elsewhere(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("POST", "wallets/", refusal(409, "wallet_unproven", "the message expired"))
    result = hive("wallet", "prove", "--nonce", "5f2d", "--signature", "0x12")
    assert (result.exit_code != 0, result.stderr) == (True, "Error: the message expired\n")


@pytest.mark.parametrize("words", [(), (ADDRESS, "--nonce", "1", "--signature", "0x"), ("--nonce", "1")])
def test_it_wants_either_an_address_or_a_signed_message(hive: Run, words: tuple[str, ...]) -> None:
    assert hive("wallet", "prove", *words).exit_code == 2


def test_it_draws_what_to_pay_in_with(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "wallets/payment-request/", (200, request()))
    result = hive("wallet", "request", "25")
    assert result.stdout.splitlines()[-1] == request()["link"]
    assert "25 GLM of token 0xT to 0xR on chain 137" in result.stderr
    assert double.params == [[("amount_glm", "25")]]
    for wrong in ("0", "-1", "x", "nan"):
        assert hive("wallet", "request", "--", wrong).exit_code == 2


def test_it_draws_every_module_and_the_margin() -> None:
    light = "█" * 10
    assert drawn(["10", "01", "11"]).splitlines() == [light, light, "████▄▀████", "████▄▄████", light, light]


def test_an_odd_row_has_light_below_it() -> None:
    assert drawn(["1"]).splitlines()[2] == "████▄████"
