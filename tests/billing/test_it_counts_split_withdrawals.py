"""What a team withdraws in parts counts together towards the limit above which operators approve."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.billing.ledger.posting import check_ledger
from apps.billing.models import ChainTransfer, Payment, PaymentState, Withdrawal
from apps.billing.treasury.approving import approve_payment, refuse_payment
from apps.billing.treasury.large import why_large
from apps.billing.treasury.signers import treasury_address
from apps.billing.wallets.stray import return_stray_deposit
from apps.billing.wallets.withdrawing import confirm_withdrawal, request_withdrawal
from apps.teams.audit import Actor
from tests.billing.chain_of_tests import FINALITY
from tests.billing.test_it_works_side_by_side import side_by_side
from tests.billing.treasury_of_tests import operator
from tests.billing.wallets_of_tests import OLGA, OTHER, WALLET, proven

chain = pytest.mark.needs("chain")
db = pytest.mark.django_db
OTTO = Actor("user", "otto")


@pytest.mark.parametrize(
    ("unasked", "expected"),
    [
        ("0", ""),
        ("0.5", ""),
        ("0.500000000000000001", "with 0.500000000000000001 GLM of the last 24 hours above 2 GLM"),
    ],
)
def test_it_counts_what_went_unasked_towards_the_limit(unasked: str, expected: str) -> None:
    why = why_large(Decimal("1.5"), limit_glm=Decimal(2), was_turned_down=False, unasked_glm=Decimal(unasked))
    assert why == expected


@pytest.fixture
def budget(team: Any, anvil: Any, settings: Any) -> Any:
    """10 GLM; what is above 2 GLM is large."""
    settings.HIVE_APPROVAL_ABOVE_GLM = Decimal(2)
    wallet = proven(team)
    anvil.glm.deposit(WALLET, treasury_address(), Decimal(10))
    anvil.grow(FINALITY)
    yield wallet.budget
    assert check_ledger() == []


def ask(budget: Any, amount: str) -> Withdrawal:
    address = WALLET.address.lower()
    return request_withdrawal(budget=budget, address=address, amount_glm=Decimal(amount), actor=OLGA)


def withdraw(budget: Any, amount: str) -> Payment:
    payment = confirm_withdrawal(ask(budget, amount), actor=OLGA).payment
    assert payment is not None
    return payment


def needed(*payments: Payment) -> list[int]:
    return [payment.approvals_needed for payment in payments]


@chain
@db
def test_the_second_of_two_parts_waits(budget: Any) -> None:
    first, second = withdraw(budget, "1.5"), withdraw(budget, "1.5")
    assert (first.state, second.state) == (PaymentState.SENT, PaymentState.WAITING)
    assert second.reason == "with 1.5 GLM of the last 24 hours above 2 GLM: 2 operators have to approve it"


@chain
@db
def test_what_operators_were_asked_about_or_refused_does_not_count_again(budget: Any) -> None:
    anna, bert = operator("anna"), operator("bert")
    large, refused = withdraw(budget, "2.1"), withdraw(budget, "2.2")
    for each in (anna, bert):
        approve_payment(large, actor=each, reason="looked at it")
    refuse_payment(refused, actor=anna, reason="not twice")
    assert needed(withdraw(budget, "1"), withdraw(budget, "1"), withdraw(budget, "1")) == [0, 0, 2]


@chain
@db
def test_it_forgets_after_a_day(budget: Any) -> None:
    first = withdraw(budget, "1.5")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        Payment.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(days=1))
        cursor.execute("SET session_replication_role = origin")
    assert needed(withdraw(budget, "1.5")) == [0]


@chain
@pytest.mark.django_db(transaction=True)
def test_two_at_once_can_not_slip_by(budget: Any) -> None:
    parts = [ask(budget, "1.5"), ask(budget, "1.5")]
    done = side_by_side(*(lambda part=part: confirm_withdrawal(part, actor=OLGA) for part in parts))
    assert all(isinstance(each, Withdrawal) for each in done), done
    assert sorted(needed(*Payment.objects.all())) == [0, 2]


@chain
@db
def test_returns_to_one_payer_count_together(budget: Any, anvil: Any) -> None:
    for _ in range(2):
        anvil.glm.deposit(OTHER, treasury_address(), Decimal("1.5"))
    anvil.grow(FINALITY)
    strays = ChainTransfer.objects.filter(sender=OTHER.address.lower())
    returned = [return_stray_deposit(each, actor=OTTO, reason="asked for") for each in strays]
    assert needed(*returned) == [0, 2]
