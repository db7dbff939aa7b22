"""What was undone within a month neither came in nor went out, and what is under way is called so."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.billing.ledger.movements import movements_of
from apps.billing.ledger.posting import transfer
from apps.billing.models import Budget, Payment, PaymentPurpose, Transfer, TransferKind
from apps.billing.statements import paper
from apps.billing.statements.files import as_csv, document_of
from apps.billing.statements.statement import Statement, statement_of
from apps.billing.treasury.following import fail_payment
from apps.billing.treasury.paying import reserve
from apps.teams.models import Team, User
from tests.billing.wallets_of_tests import WALLET, proven

pytestmark = pytest.mark.django_db

UNDER_WAY = "Withdrawal under way"


@pytest.fixture
def budget(team: Team, fund: Callable[..., None]) -> Budget:
    """10 GLM, and a wallet that the team has proven."""
    opened = proven(team).budget
    fund(opened, "10")
    return opened


def withdraw(settings: Any, budget: Budget) -> Payment:
    return reserve(
        chain_id=settings.HIVE_CHAIN_ID,
        source=budget.available,
        recipient=WALLET.address.lower(),
        amount_glm=Decimal("3.000000000000000001"),
        purpose=PaymentPurpose.WITHDRAWAL,
    )


def stated(budget: Budget) -> Statement:
    now = timezone.now()
    told = statement_of(budget, start=now - timedelta(hours=1), end=now + timedelta(hours=1))
    assert told.adds_up
    assert told.opening_glm + told.came_in_glm - told.went_out_glm == told.closing_glm
    return told


def test_a_withdrawal_that_failed_did_not_go_out(settings: Any, budget: Budget) -> None:
    fail_payment(withdraw(settings, budget), reason="refused by anna: no")
    told = stated(budget)
    assert (told.came_in_glm, told.went_out_glm, told.closing_glm) == (10, 0, 10)
    assert [entry.label for entry in told.entries] == ["Paid in", "Withdrawn", "Undone"]
    document = document_of(told)
    assert (document["came_in_glm"], document["went_out_glm"]) == ("10", "0")


def test_a_part_that_is_undone_is_set_off_alone(budget: Budget) -> None:
    """As a deposit of a lost block is whose team has spent some of it."""
    paid_in = Transfer.objects.get(kind=TransferKind.DEPOSIT)
    transfer(
        key="test:undone",
        kind=TransferKind.COUNTER,
        debit=paid_in.credit,
        credit=paid_in.debit,
        amount_glm=Decimal("6.000000000000000001"),
        undoes=paid_in,
    )
    told = stated(budget)
    assert (told.came_in_glm, told.went_out_glm) == (Decimal("3.999999999999999999"), 0)


def test_each_month_adds_up_where_the_undoing_is_in_the_next(settings: Any, budget: Budget) -> None:
    payment = withdraw(settings, budget)
    fail_payment(payment, reason="refused by anna: no")
    reserved = Transfer.objects.get(key=f"payout:{payment.id}")
    undone = Transfer.objects.get(undoes=reserved)
    first = statement_of(budget, start=reserved.at - timedelta(days=1), end=undone.at)
    second = statement_of(budget, start=undone.at, end=undone.at + timedelta(days=1))
    assert (first.went_out_glm, second.came_in_glm) == (reserved.amount, reserved.amount)
    for each in (first, second):
        assert each.opening_glm + each.came_in_glm - each.went_out_glm == each.closing_glm


def test_it_says_everywhere_that_a_withdrawal_is_under_way(
    settings: Any, budget: Budget, owner: User, client: Client
) -> None:
    withdraw(settings, budget)
    told = stated(budget)
    assert document_of(told)["entries"][-1]["label"] == UNDER_WAY
    rows = list(csv.DictReader(io.StringIO(as_csv([told]).decode("utf-8-sig"))))
    assert [row["label"] for row in rows] == ["", "Paid in", UNDER_WAY, ""]
    assert UNDER_WAY in [row[1] for row in paper._rows(told) if len(row) > 1]
    assert movements_of([budget], limit=5)[0].what == UNDER_WAY
    client.force_login(owner)
    page = client.get(reverse("billing:statement", args=[budget.team.slug])).content.decode()
    assert UNDER_WAY in page
