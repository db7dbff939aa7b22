"""A wallet is a team's when its key has signed so: once, in time, and what the Hive wrote."""

import re
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.billing.models import Wallet, WalletProof
from apps.billing.wallets.proving import (
    VALID,
    WalletTaken,
    WalletUnproven,
    ask_for_proof,
    prove_wallet,
    register_wallet,
)
from apps.billing.wallets.siwe import NotASignature
from apps.teams.audit import AuditLine
from tests.billing.wallets_of_tests import OLGA, OTHER, WALLET, proven, signed

pytestmark = pytest.mark.django_db

ADDRESS = WALLET.address.lower()


@pytest.fixture
def asked(team, settings):
    settings.HIVE_PORTAL_URL = "https://hive.example"
    return ask_for_proof(team=team, address=WALLET.address)


def hand_in(asked, signature=None, **other):
    given = {"team": asked.team, "nonce": asked.nonce, "signature": signature or signed(asked.message)}
    return prove_wallet(**(given | other), actor=OLGA)


def refused(asked, because, **other):
    with pytest.raises(WalletUnproven, match=re.escape(because)):
        hand_in(asked, **other)
    assert not Wallet.objects.exists()


def test_it_writes_a_message_for_this_hive_team_chain_and_time(asked, settings):
    lines = asked.message.splitlines()
    assert lines[0] == "hive.example wants you to sign in with your Ethereum account:"
    assert lines[1] == WALLET.address
    assert "bakery" in lines[3]
    assert lines[5] == "URI: https://hive.example/teams/bakery/billing/wallets/"
    assert lines[7:9] == [f"Chain ID: {settings.HIVE_CHAIN_ID}", f"Nonce: {asked.nonce}"]
    assert asked.expires_at - timezone.now() <= VALID


def test_it_takes_the_signature_and_keeps_it(asked, team):
    wallet = hand_in(asked)
    assert (wallet.address, wallet.team, wallet.is_proven) == (ADDRESS, team, True)
    asked.refresh_from_db()
    assert (asked.wallet, asked.signature) == (wallet, signed(asked.message))
    line = AuditLine.objects.get(noun="wallet")
    assert (line.team, line.after, line.actor) == (team, "proven", "user:olga")


def test_it_takes_a_signature_once(asked):
    hand_in(asked)
    with pytest.raises(WalletUnproven, match="good once"):
        hand_in(asked)


def test_it_takes_none_after_the_time(asked):
    WalletProof.objects.filter(pk=asked.pk).delete()
    late = WalletProof.objects.create(
        team=asked.team,
        address=asked.address,
        nonce="late",
        message=asked.message,
        expires_at=timezone.now() - timedelta(seconds=1),
    )
    refused(late, "the message expired at")


def test_it_takes_another_keys_signature_for_none(asked):
    refused(asked, "signed by " + OTHER.address.lower(), signature=signed(asked.message, OTHER))
    hand_in(asked)  # there is time for the right one


def test_it_takes_another_text_for_none(asked):
    refused(asked, "not word for word", signature=signed(asked.message + "\n"))


def test_it_takes_no_message_of_another_team_or_of_nobody(asked, other_team):
    refused(asked, "has written no such message", team=other_team)
    refused(asked, "has written no such message", nonce="mine")


def test_it_says_what_is_no_signature(asked):
    with pytest.raises(NotASignature):
        hand_in(asked, signature="0x1234")


def test_it_gives_no_wallet_to_two_teams(asked, team, other_team):
    other = ask_for_proof(team=other_team, address=ADDRESS)
    hand_in(asked)
    with pytest.raises(WalletTaken):
        hand_in(other)
    with pytest.raises(WalletTaken):
        ask_for_proof(team=other_team, address=ADDRESS)
    assert Wallet.objects.get().team == team


def test_it_proves_what_an_operator_registered(asked, team):
    wallet = register_wallet(team, ADDRESS)
    assert not wallet.is_proven
    assert hand_in(asked) == wallet
    assert Wallet.objects.get().is_proven


def test_a_proof_goes_before_what_was_only_registered(team, other_team):
    wallet = register_wallet(other_team, ADDRESS)
    asked = ask_for_proof(team=team, address=ADDRESS)
    assert Wallet.objects.get().team == other_team, "asking alone takes nothing"
    assert hand_in(asked) == wallet
    wallet = Wallet.objects.get()
    assert (wallet.team, wallet.budget.team, wallet.is_proven) == (team, team, True)
    assert AuditLine.objects.get(team=other_team, noun="wallet").after == "taken over"
    with pytest.raises(WalletTaken):
        register_wallet(other_team, ADDRESS)
    with pytest.raises(WalletTaken):
        ask_for_proof(team=other_team, address=ADDRESS)


def test_it_forgets_messages_that_nobody_signed(asked, team, monkeypatch):
    in_an_hour = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr("apps.billing.wallets.proving.timezone.now", lambda: in_an_hour)
    ask_for_proof(team=team, address=OTHER.address)
    assert not WalletProof.objects.filter(pk=asked.pk).exists()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_walletproof SET message = 'pay me'",
        "UPDATE billing_walletproof SET address = '0x' || repeat('a', 40)",
        "UPDATE billing_walletproof SET signature = '0x'",
        "UPDATE billing_walletproof SET expires_at = expires_at + interval '1 day'",
        "UPDATE billing_walletproof SET signature = '', proven_at = NULL, wallet_id = NULL",
        "DELETE FROM billing_walletproof",
        "TRUNCATE billing_walletproof CASCADE",
    ],
)
def test_the_database_keeps_what_was_signed(team, sql):
    proven(team)
    with pytest.raises(DatabaseError), transaction.atomic():
        connection.cursor().execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_walletproof SET signature = '0xab'",
        "UPDATE billing_walletproof SET proven_at = now()",
        "UPDATE billing_walletproof SET message = 'pay me'",
    ],
)
def test_the_database_takes_no_half_proof(asked, sql):
    with pytest.raises(DatabaseError), transaction.atomic():
        connection.cursor().execute(sql)
