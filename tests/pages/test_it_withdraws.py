"""Withdrawals on the page of wallets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from apps.billing.models import Budget, Withdrawal
from apps.teams.models import Team, User
from tests.billing.wallets_of_tests import WALLET, proven
from tests.pages.conftest import signed_in

PAGE = "/teams/bakery/billing/wallets/"
ASK = "/teams/bakery/billing/withdrawals/"


@pytest.fixture
def purse(team: Team, fund: Callable[..., None]) -> Budget:
    budget = proven(team).budget
    fund(budget, "10")
    return budget


def ask(client: Client, amount: str = "2.5") -> str:
    said = {"recipient": WALLET.address.lower(), "amount_glm": amount}
    return client.post(ASK, said, follow=True).content.decode()


def test_a_member_asks_and_an_owner_is_offered_to_confirm(
    purse: Budget, teammate: User, as_owner: Client
) -> None:
    asked = ask(signed_in(teammate))
    assert "2.5 GLM are asked for: an owner has a day to confirm it" in asked
    confirm = f"/withdrawals/{Withdrawal.objects.get().pk}/confirm/"
    assert confirm not in asked
    assert signed_in(teammate).post(confirm).status_code == 404
    assert confirm in as_owner.get(PAGE).content.decode()
    told = as_owner.post(confirm, follow=True).content.decode()
    assert "connected to no GLM token" in told
    assert Withdrawal.objects.get().state == "requested"


def test_it_is_taken_back(purse: Budget, as_owner: Client) -> None:
    ask(as_owner)
    asked = Withdrawal.objects.get()
    as_owner.post(f"/withdrawals/{asked.pk}/cancel/")
    asked.refresh_from_db()
    assert asked.state == "cancelled"
    assert (
        "no way from cancelled"
        in as_owner.post(f"/withdrawals/{asked.pk}/cancel/", follow=True).content.decode()
    )


@pytest.mark.parametrize(
    "amount, because",
    [("11", "are needed"), ("0.5", "at least 1 GLM"), ("x", "amount_glm"), ("NaN", "amount_glm")],
)
def test_it_tells_why_it_can_not_be(purse: Budget, as_owner: Client, amount: str, because: str) -> None:
    assert because in ask(as_owner, amount)
    assert not Withdrawal.objects.exists()
