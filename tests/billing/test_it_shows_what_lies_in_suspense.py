"""A stranger's deposit is shown to operators until they decide: a figure, a filter, a line in the log."""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.billing.chain.deposits import confirm_deposits, finish_deposits
from apps.billing.chain.suspense import in_suspense
from apps.billing.models import ChainTransfer, Payment, PaymentPurpose
from apps.billing.treasury.following import fail_payment
from apps.billing.treasury.paying import reserve
from apps.billing.treasury.signers import treasury_address
from apps.billing.wallets.proving import register_wallet
from apps.billing.wallets.stray import _in_suspense, credit_stray_deposit
from apps.teams.audit import Actor
from hive_portal.standing import Figure, figures

pytestmark = pytest.mark.django_db

STRANGER, KNOWN = "0x" + "5a" * 20, "0x" + "5b" * 20


@pytest.fixture(autouse=True)
def deposits(settings: Any, team: Any) -> None:
    """Two of a stranger, one of a team; all in blocks 1 to 3."""
    register_wallet(team, KNOWN)
    for number, sender in enumerate((STRANGER, STRANGER, KNOWN), start=1):
        ChainTransfer.objects.create(
            chain_id=settings.HIVE_CHAIN_ID,
            tx_hash=f"0x{number:064x}",
            log_index=0,
            block_number=number,
            block_hash=f"0x{number:064x}",
            sender=sender,
            recipient=treasury_address(),
            amount=Decimal("1.5"),
            deadline_at=timezone.now() + timedelta(hours=1),
        )


def shown() -> Figure:
    [figure] = [each for each in figures() if each.title == "In suspense"]
    return figure


def final() -> list[ChainTransfer]:
    confirm_deposits(deepest=3)
    finish_deposits(deepest=3)
    return list(ChainTransfer.objects.filter(sender=STRANGER).order_by("id"))


def test_it_is_a_figure_until_it_is_decided(settings: Any, team: Any) -> None:
    assert (shown().value, shown().fine) == ("0 deposits, 0 GLM", True)
    first, second = final()
    assert (shown().value, shown().fine) == ("2 deposits, 3 GLM", False)
    going_back = reserve(
        chain_id=settings.HIVE_CHAIN_ID,
        source=_in_suspense(first).credit,
        recipient=STRANGER,
        amount_glm=first.amount,
        purpose=PaymentPurpose.RETURN,
        returns=first,
    )
    assert list(in_suspense()) == [second]
    fail_payment(Payment.objects.get(pk=going_back.pk), reason="its nonce is gone")
    assert in_suspense().count() == 2
    register_wallet(team, STRANGER)
    credit_stray_deposit(second, actor=Actor("user", "otto"), reason="asked for")
    assert shown().value == "1 deposit, 1.5 GLM"


def test_its_link_lists_those_alone(admin_client: Client) -> None:
    final()
    listed = admin_client.get(shown().link).context["cl"].queryset
    assert {each.sender for each in listed} == {STRANGER}
    everything = admin_client.get(reverse("admin:billing_chaintransfer_changelist")).context["cl"].queryset
    assert everything.count() == 3


def test_the_log_tells_once_for_a_set(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="hive.chain"):
        final()
        confirm_deposits(deepest=3)
    told = [line.getMessage() for line in caplog.records if "suspense" in line.getMessage()]
    assert told == ["2 strangers' deposits lie in suspense, 3 GLM: credit or return it in the admin"]
