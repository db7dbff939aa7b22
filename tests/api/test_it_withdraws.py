"""Withdrawals over the API: a member asks, an owner confirms, foreign ones do not exist."""

from collections.abc import Callable

import pytest
from django.conf import Settings

from apps.billing.models import Budget
from apps.teams.models import Team, User
from tests.api.conftest import As
from tests.billing.wallets_of_tests import OTHER, WALLET, proven

URL = "/api/v1/withdrawals/"
WANTED = {"recipient": WALLET.address, "amount_glm": "2.5"}


@pytest.fixture
def budget(team: Team, main_budget: Budget, fund: Callable[..., None]) -> Budget:
    fund(main_budget, "10")
    proven(team)
    return main_budget


def test_a_member_asks_and_takes_back(budget: Budget, teammate: User, as_: As) -> None:
    client = as_(teammate)
    made = client.post(URL, WANTED, format="json")
    assert made.status_code == 201
    asked = made.json()
    assert (asked["state"], asked["amount_glm"], asked["tx_hash"]) == ("requested", "2.5", None)
    assert asked["recipient"] == WALLET.address.lower()
    assert client.get(URL).json()["results"] == [asked]
    refused = client.post(f"{URL}{asked['id']}/confirm/")
    assert (refused.status_code, "only an owner" in refused.json()["error"]["message"]) == (403, True)
    assert client.post(f"{URL}{asked['id']}/cancel/").json()["state"] == "cancelled"
    again = client.post(f"{URL}{asked['id']}/cancel/")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")


def test_it_tells_why_it_can_not_be(budget: Budget, owner: User, as_: As, settings: Settings) -> None:
    client = as_(owner)

    def code(**changes: str) -> tuple[int, str]:
        refused = client.post(URL, WANTED | changes, format="json")
        return refused.status_code, refused.json()["error"]["code"]

    assert code(amount_glm="11") == (402, "insufficient_funds")
    assert code(amount_glm="0.5") == (409, "withdrawal_refused")
    assert code(recipient=str(OTHER.address)) == (409, "withdrawal_refused")
    assert code(recipient="0x12")[0] == code(amount_glm="x")[0] == code(amount_glm="-1")[0] == 400
    asked = client.post(URL, WANTED, format="json").json()
    settings.HIVE_GLM_TOKEN = "0x" + "11" * 20
    settings.HIVE_RPC_URL = "http://127.0.0.1:1"
    silent = client.post(f"{URL}{asked['id']}/confirm/")
    assert (silent.status_code, silent.json()["error"]["code"]) == (409, "withdrawal_refused")
    assert client.get(f"{URL}{asked['id']}/").json()["state"] == "requested"
