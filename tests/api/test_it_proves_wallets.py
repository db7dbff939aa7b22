"""Wallets over the API: a message is asked for, signed and handed in; and what to pay in with."""

from datetime import timedelta

import pytest
from django.conf import Settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.billing.models import WalletProof
from apps.teams.models import Team, User
from tests.api.conftest import As
from tests.billing.wallets_of_tests import OTHER, WALLET, proven, signed

MESSAGES, WALLETS = "/api/v1/wallets/messages/", "/api/v1/wallets/"
REQUEST = "/api/v1/wallets/payment-request/"


def test_it_proves_a_wallet(owner: User, as_: As) -> None:
    client = as_(owner)
    asked = client.post(MESSAGES, {"address": WALLET.address}, format="json")
    assert (asked.status_code, asked.json()["address"]) == (201, WALLET.address.lower())
    said = {"nonce": asked.json()["nonce"], "signature": signed(asked.json()["message"])}
    made = client.post(WALLETS, said, format="json")
    assert (made.status_code, made.json()["is_proven"]) == (201, True)
    [listed] = client.get(WALLETS).json()["results"]
    assert listed == made.json()
    assert [
        wallet["address"] for wallet in client.get("/api/v1/budgets/").json()["results"][0]["wallets"]
    ] == [WALLET.address.lower()]
    again = client.post(WALLETS, said, format="json")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "wallet_unproven")


@pytest.mark.parametrize(
    "address", ["", "0x12", "0x" + "g" * 40, WALLET.address.swapcase().replace("X", "x")]
)
def test_it_writes_no_message_for_what_is_no_address(address: str, owner: User, as_: As) -> None:
    refused = as_(owner).post(MESSAGES, {"address": address}, format="json")
    assert (refused.status_code, refused.json()["error"]["place"]) == (400, "address")


def test_it_tells_why_a_signature_proves_nothing(owner: User, team: Team, as_: As) -> None:
    client = as_(owner)
    asked = client.post(MESSAGES, {"address": WALLET.address}, format="json").json()

    def code(signature: str, nonce: str = asked["nonce"]) -> tuple[int, str]:
        refused = client.post(WALLETS, {"nonce": nonce, "signature": signature}, format="json")
        return refused.status_code, refused.json()["error"]["code"]

    assert code("0x12") == (422, "not_a_signature")
    assert code(signed(asked["message"], OTHER)) == (409, "wallet_unproven")
    assert code(signed(asked["message"]), "unknown") == (409, "wallet_unproven")
    late = WalletProof.objects.create(
        team=team,
        address=asked["address"],
        nonce="late",
        message=asked["message"],
        expires_at=timezone.now() - timedelta(seconds=1),
    )
    assert code(signed(late.message), "late") == (409, "wallet_unproven")
    assert client.get(WALLETS).json()["results"] == []


def test_it_gives_no_wallet_to_two_teams(team: Team, stranger: User, as_: As) -> None:
    proven(team)
    refused = as_(stranger).post(MESSAGES, {"address": WALLET.address}, format="json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "wallet_taken")


def test_it_takes_no_message_of_another_team(owner: User, stranger: User, as_: As) -> None:
    asked = as_(owner).post(MESSAGES, {"address": WALLET.address}, format="json").json()
    said = {"nonce": asked["nonce"], "signature": signed(asked["message"])}
    assert as_(stranger).post(WALLETS, said, format="json").status_code == 409
    assert as_(owner).post(WALLETS, said, format="json").status_code == 201


def test_it_lists_many_wallets_with_as_few_questions_as_one(team: Team, owner: User, as_: As) -> None:
    client = as_(owner)
    proven(team)

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            client.get(WALLETS)
        return len(asked)

    questions()  # the token's first use is noted
    one = questions()
    proven(team, OTHER)
    assert questions() == one


def test_it_says_what_to_pay_in_with(owner: User, as_: As, settings: Settings) -> None:
    client = as_(owner)
    no_token = client.get(REQUEST, {"amount_glm": "1"})
    assert (no_token.status_code, "no GLM token" in no_token.json()["error"]["message"]) == (400, True)
    settings.HIVE_GLM_TOKEN = "0x" + "11" * 20
    asked = client.get(REQUEST, {"amount_glm": "0.5"}).json()
    assert asked["amount_glm"] == "0.5"
    assert asked["link"].startswith(f"ethereum:0x{'11' * 20}@31337/transfer?address={asked['recipient']}")
    assert asked["link"].endswith("&uint256=500000000000000000")
    assert set("".join(asked["qr_rows"])) == {"0", "1"}
    for wrong in ("", "x", "0", "-1", "NaN", "1e40", "0.0000000000000000001"):
        assert client.get(REQUEST, {"amount_glm": wrong}).status_code == 400, wrong
