"""The page of wallets: proving one by hand, and what to pay in with."""

from __future__ import annotations

import html

import pytest
from django.conf import Settings
from django.test import Client

from apps.billing.models import WalletProof
from apps.teams.models import Member, Role, Team, User
from tests.billing.wallets_of_tests import OTHER, WALLET, proven, signed
from tests.pages.conftest import signed_in

PAGE = "/teams/bakery/billing/wallets/"


@pytest.fixture
def as_teammate(teammate: User) -> Client:
    return signed_in(teammate)


def ask(client: Client, address: str = str(WALLET.address)) -> str:
    return client.post(f"{PAGE}message/", {"address": address}, follow=True).content.decode()


def test_it_shows_a_message_and_takes_its_signature(team: Team, as_owner: Client) -> None:
    shown = ask(as_owner)
    asked = WalletProof.objects.get()
    assert html.escape(asked.message) in shown
    said = {"nonce": asked.nonce, "signature": signed(asked.message)}
    page = as_owner.post(f"{PAGE}proof/", said, follow=True).content.decode()
    assert "is proven: GLM sent from it are credited to bakery" in page
    assert '<span class="badge good">proven</span>' in page
    assert asked.nonce not in page


def test_it_leaves_the_message_open_after_a_wrong_signature(team: Team, as_owner: Client) -> None:
    ask(as_owner)
    asked = WalletProof.objects.get()
    said = {"nonce": asked.nonce, "signature": signed(asked.message, OTHER)}
    page = as_owner.post(f"{PAGE}proof/", said, follow=True).content.decode()
    assert f"signed by {OTHER.address.lower()}" in page
    assert html.escape(asked.message) in page


def test_it_says_what_is_wrong_with_an_address(team: Team, as_owner: Client) -> None:
    assert "40 hexadecimal digits" in ask(as_owner, "0x12")
    assert not WalletProof.objects.exists()


def test_it_lets_owners_alone_prove(team: Team, as_owner: Client, as_teammate: Client) -> None:
    ask(as_owner)
    asked = WalletProof.objects.get()
    assert as_teammate.post(f"{PAGE}message/", {"address": WALLET.address}).status_code == 404
    said = {"nonce": asked.nonce, "signature": signed(asked.message)}
    assert as_teammate.post(f"{PAGE}proof/", said).status_code == 404
    assert asked.nonce not in as_teammate.get(PAGE, {"message": asked.nonce}).content.decode()


def test_it_shows_no_message_of_another_team(
    team: Team, other_team: Team, owner: User, as_stranger: Client, as_owner: Client
) -> None:
    Member.objects.create(team=other_team, user=owner, role=Role.VIEWER)
    as_stranger.post("/teams/rivals/billing/wallets/message/", {"address": WALLET.address})
    theirs = WalletProof.objects.get().nonce
    for page in (PAGE, "/teams/rivals/billing/wallets/"):
        assert theirs not in as_owner.get(page, {"message": theirs}).content.decode()


def test_it_draws_what_to_pay_in_with(team: Team, as_owner: Client, settings: Settings) -> None:
    settings.HIVE_GLM_TOKEN = "0x" + "11" * 20
    page = as_owner.get(PAGE, {"amount_glm": "2.5"}).content.decode()
    assert 'class="qr"' in page
    assert html.escape("&uint256=2500000000000000000") in page
    for wrong in ("", "x", "-1", "0", "1e40", "NaN"):
        refused = as_owner.get(PAGE, {"amount_glm": wrong})
        assert (refused.status_code, b"ethereum:" in refused.content) == (200, False), wrong


def test_it_says_that_nothing_can_be_paid_without_a_token(team: Team, as_owner: Client) -> None:
    assert "no GLM token" in as_owner.get(PAGE, {"amount_glm": "1"}).content.decode()


def test_it_tells_which_wallets_are_proven(team: Team, as_owner: Client) -> None:
    proven(team)
    page = as_owner.get(PAGE).content.decode()
    assert WALLET.address.lower() in page
    assert "not proven" not in page
