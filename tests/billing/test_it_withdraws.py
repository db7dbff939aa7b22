"""Unused GLM go back to a proven wallet: confirmed by an owner, within limits, paid once; on a real anvil."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.billing.budgets.holding import place_hold
from apps.billing.budgets.lending import set_credit_limit
from apps.billing.chain.client import Chain, ChainUnreachable
from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.watcher import watch_chain
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.suspending import TeamSuspended, lift, suspend
from apps.billing.ledger.movements import movements_of
from apps.billing.ledger.posting import (
    InsufficientFunds,
    balance,
    house_account,
    transfer,
)
from apps.billing.models import (
    AccountKind,
    BillingDetails,
    Invoice,
    Payment,
    PaymentState,
    Transaction,
    TransferKind,
    WalletProof,
    Withdrawal,
    WithdrawalState,
)
from apps.billing.treasury.following import fail_payment
from apps.billing.wallets.proving import ask_for_proof, register_wallet
from apps.billing.wallets.withdrawing import (
    WithdrawalRefused,
    cancel_withdrawal,
    close_unconfirmed,
    confirm_withdrawal,
    request_withdrawal,
)
from apps.nodes.queen import queen_address
from apps.teams.audit import AuditLine
from apps.teams.states import StateError
from tests.billing.chain_of_tests import CONFIRMATIONS, FINALITY
from tests.billing.payments_of_tests import signed
from tests.billing.treasury_of_tests import Killed, kill_at
from tests.billing.wallets_of_tests import OLGA, OTHER, WALLET, proven
from tests.cast import posted_usage

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.needs("chain"),
    pytest.mark.usefixtures("budget", "books_add_up"),
]

HOME = WALLET.address.lower()


@pytest.fixture
def budget(team, anvil):
    """10 GLM, from a wallet that the team has proven."""
    wallet = proven(team)
    anvil.glm.deposit(WALLET, queen_address(), Decimal(10))
    anvil.grow(FINALITY)
    return wallet.budget


def held(budget, amount):
    until = timezone.now() + timedelta(hours=1)
    place_hold(budget=budget, reference="replica:1:1", amount_glm=Decimal(amount), until=until)


def ask(budget, amount="4", address=HOME):
    return request_withdrawal(budget=budget, address=address, amount_glm=Decimal(amount), actor=OLGA)


def confirm(withdrawal):
    return confirm_withdrawal(withdrawal, actor=OLGA)


def settled(anvil, budget):
    """Let chain and watcher finish: 4 GLM have arrived, once."""
    for _ in range(2):
        Transaction.objects.update(retry_at=timezone.now())
        watch_chain()
        anvil.grow(FINALITY)
    assert Withdrawal.objects.get().state == WithdrawalState.PAID
    assert Payment.objects.get().state == PaymentState.FINAL
    assert anvil.glm_of(HOME) == 4
    assert (budget.available_glm, balance(house_account(AccountKind.IN_FLIGHT))) == (6, 0)
    result = reconcile()
    assert (result.agrees, result.chain_balance_glm) == (True, 6)


def test_it_moves_nothing_before_an_owner_confirms(budget):
    asked = ask(budget)
    assert (asked.state, asked.payment, asked.recipient) == (WithdrawalState.REQUESTED, None, HOME)
    assert (budget.available_glm, Payment.objects.count()) == (10, 0)


def test_it_pays_what_is_confirmed_and_follows_it_to_the_end(anvil, budget):
    asked = confirm(ask(budget))
    assert (asked.state, asked.payment.purpose) == (WithdrawalState.CONFIRMED, "withdrawal")
    assert (asked.payment.recipient, asked.payment.amount) == (HOME, 4)
    assert (budget.available_glm, balance(house_account(AccountKind.IN_FLIGHT))) == (6, 4)
    settled(anvil, budget)
    told = [(line.after, line.actor) for line in AuditLine.objects.filter(noun="withdrawal").order_by("id")]
    assert told == [("requested", "user:olga"), ("confirmed", "user:olga"), ("paid", "queen:settlement")]
    assert [(each.what, each.amount_glm) for each in movements_of([budget], limit=5)] == [
        ("Withdrawn", -4),
        ("Paid in", 10),
    ]


def test_it_goes_to_proven_wallets_alone(budget, team, other_team):
    register_wallet(team, OTHER.address)
    ask_for_proof(team=team, address=OTHER.address)
    for address in (OTHER.address, "0x" + "ab" * 20):
        with pytest.raises(WithdrawalRefused, match="is no wallet that your team has proven"):
            ask(budget, address=address)
    with pytest.raises(ValueError, match="40 hexadecimal digits"):
        ask(budget, address="0x12")


def test_it_leaves_what_is_held(budget):
    held(budget, 7)
    with pytest.raises(InsufficientFunds):
        ask(budget)
    assert confirm(ask(budget, "3")).state == WithdrawalState.CONFIRMED


def test_it_lends_nothing_to_take_out(budget):
    set_credit_limit(budget, Decimal(5), actor=OLGA, reason="a good customer")
    assert budget.available_glm == 15
    with pytest.raises(InsufficientFunds, match=r"10\.5 GLM are needed, 10 GLM are available"):
        ask(budget, "10.5")
    assert not Withdrawal.objects.exists()
    asked = ask(budget, "10")
    held(budget, 12)
    with pytest.raises(InsufficientFunds, match="10 GLM are needed, 0 GLM are available"):
        confirm(asked)


def test_it_asks_the_books_before_the_chain(budget, settings):
    asked = ask(budget)
    held(budget, 7)
    settings.HIVE_RPC_URL = "http://127.0.0.1:9"  # nobody is there
    with pytest.raises(InsufficientFunds):
        confirm(asked)


def test_it_finds_out_at_the_confirmation_what_was_spent_meanwhile(budget):
    asked = ask(budget)
    held(budget, 7)
    with pytest.raises(InsufficientFunds):
        confirm(asked)
    asked.refresh_from_db()
    assert (asked.state, Payment.objects.count()) == (WithdrawalState.REQUESTED, 0)


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "1e10", "0.0000000000000000001", "0.5"])
def test_it_takes_no_odd_or_tiny_amounts(budget, amount):
    with pytest.raises(ValueError, match=r"expected|at least 1 GLM"):
        ask(budget, amount)


def test_it_keeps_to_what_a_team_may_take_out_in_a_day(budget, settings):
    settings.HIVE_WITHDRAWAL_LIMIT_PER_DAY_GLM = Decimal(5)
    first, second = ask(budget), ask(budget)
    confirm(first)
    with pytest.raises(WithdrawalRefused, match="5 GLM may be withdrawn within a day, 4 were"):
        confirm(second)
    with pytest.raises(WithdrawalRefused, match="within a day"):
        ask(budget, "2")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        Withdrawal.objects.filter(pk=first.pk).update(confirmed_at=timezone.now() - timedelta(days=1))
        cursor.execute("SET session_replication_role = origin")
    assert confirm(second).state == WithdrawalState.CONFIRMED


def test_it_gives_nothing_out_while_something_is_owed(budget, team):
    asked, now = ask(budget), timezone.now()
    suspend(team, actor=OLGA, because="HIVE-2026-000001 is not paid")
    with pytest.raises(TeamSuspended):
        confirm(asked)
    lift(team, actor=OLGA, reason="paid")
    Invoice.objects.create(
        number="HIVE-2026-000002",
        team=team,
        period_start=now - timedelta(days=30),
        period_end=now,
        tax_glm=Decimal(1),
        total_glm=Decimal(1),
        lines=[],
        state="overdue",
        deadline_at=now + timedelta(days=1),
    )
    with pytest.raises(WithdrawalRefused, match="HIVE-2026-000002 is overdue"):
        confirm(asked)
    assert Payment.objects.count() == 0


def test_it_leaves_what_taxes_are_invoiced(budget, team):
    """They are not overdue, and wait: the rest of the money was held when the invoice was drawn up."""
    asked, now = ask(budget, "9.5"), timezone.now()
    Invoice.objects.create(
        number="HIVE-2026-000001",
        team=team,
        period_start=now - timedelta(days=30),
        period_end=now,
        tax_glm=Decimal(1),
        total_glm=Decimal(1),
        lines=[],
        deadline_at=now + timedelta(days=14),
    )
    for refuse in (lambda: confirm(asked), lambda: ask(budget, "9.1")):
        with pytest.raises(WithdrawalRefused, match=r"1 GLM of taxes are invoiced .* 9 GLM can be withdrawn"):
            refuse()
    assert confirm(ask(budget, "9")).state == WithdrawalState.CONFIRMED


def test_it_keeps_back_the_taxes_that_the_running_month_will_have(budget, team, agreement):
    """0.19 GLM on 1 GLM that was used: what the month's invoice will ask for."""
    BillingDetails.objects.create(team=team, taxes=[{"name": "VAT", "percent": "19"}])
    asked = ask(budget, "9.9")
    for sequence in range(1, 11):
        posted_usage(agreement, sequence=sequence)
    told = r"0\.19 GLM of taxes will be on 1 GLM that were used .*: 9\.81 GLM can be withdrawn"
    for refuse in (lambda: confirm(asked), lambda: ask(budget, "9.82")):
        with pytest.raises(WithdrawalRefused, match=told):
            refuse()
    assert (Payment.objects.count(), budget.available_glm) == (0, 10)
    assert confirm(ask(budget, "9.81")).state == WithdrawalState.CONFIRMED
    invoice = draw_up_invoice(team=team, actor=OLGA, until=timezone.now())
    assert (invoice.tax_glm, invoice.due_glm, budget.available_glm) == (Decimal("0.19"), 0, 0)


def test_it_is_confirmed_once(anvil, budget):
    asked = ask(budget)
    stale = Withdrawal.objects.select_related("budget__available", "proof").get()
    confirm(asked)
    for other in (asked, stale):
        with pytest.raises(StateError):
            confirm(other)
    settled(anvil, budget)


def test_it_can_be_taken_back_before_and_not_after(budget):
    asked = ask(budget)
    assert cancel_withdrawal(asked, actor=OLGA).state == WithdrawalState.CANCELLED
    with pytest.raises(StateError):
        confirm(asked)
    later = confirm(ask(budget))
    with pytest.raises(StateError):
        cancel_withdrawal(later, actor=OLGA)


def test_it_expires_when_no_owner_confirms(budget):
    asked = ask(budget)
    assert close_unconfirmed() == 0
    Withdrawal.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    asked.refresh_from_db()
    with pytest.raises(WithdrawalRefused, match="the time to confirm it is over"):
        confirm(asked)
    assert close_unconfirmed() == 1
    asked.refresh_from_db()
    assert asked.state == WithdrawalState.EXPIRED


@pytest.mark.parametrize("step", ["before the transaction", "after the transaction", "after sending"])
def test_it_pays_once_though_killed(anvil, budget, monkeypatch, step):
    asked = ask(budget)
    with monkeypatch.context() as patch:
        kill_at(step, patch)
        with pytest.raises(Killed):
            confirm(asked)
    asked = Withdrawal.objects.select_related("budget__available", "proof").get()
    if step == "before the transaction":
        assert (budget.available_glm, Payment.objects.count()) == (10, 0)
        confirm(asked)
    else:
        with pytest.raises(StateError):
            confirm(asked)
    settled(anvil, budget)


def test_it_pays_again_when_the_payments_block_is_gone(anvil, budget):
    confirm(ask(budget))
    anvil.grow(CONFIRMATIONS - 1)
    anvil.reorganise(CONFIRMATIONS)
    watch_chain()
    assert Withdrawal.objects.get().state == WithdrawalState.CONFIRMED
    settled(anvil, budget)


def test_it_waits_while_the_chain_is_silent(anvil, budget, monkeypatch):
    def silent(*args, **kwargs):
        raise ChainUnreachable("gone")

    asked = ask(budget)
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "gas_of", silent)
        with pytest.raises(WithdrawalRefused, match="confirm it again later"):
            confirm(asked)
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", silent)
        assert confirm(asked).state == WithdrawalState.CONFIRMED
    settled(anvil, budget)


def test_what_the_chain_would_not_take_is_back_in_the_budget(budget, monkeypatch):
    monkeypatch.setattr("apps.billing.wallets.withdrawing.push_payment", lambda chain, payment: None)
    asked = confirm(ask(budget))
    fail_payment(asked.payment, reason="its nonce is gone")
    asked.refresh_from_db()
    assert (asked.state, budget.available_glm) == (WithdrawalState.FAILED, 10)


@pytest.mark.parametrize(
    "sql, because",
    [
        ("UPDATE billing_withdrawal SET amount = 9", "the payment is not over this withdrawal"),
        ("UPDATE billing_withdrawal SET confirmed_at = now()", "an owner's word was given on it"),
        ("UPDATE billing_withdrawal SET state = 'paid'", "no way from failed to paid"),
        (
            "UPDATE billing_withdrawal SET state = 'requested', payment_id = NULL",
            "no way from confirmed to requested",
        ),
        ("DELETE FROM billing_withdrawal", "it says who took money out"),
        ("UPDATE billing_payment SET purpose = 'payout'", "the transaction is signed"),
    ],
)
def test_the_database_keeps_it(budget, sql, because):
    asked = confirm(ask(budget))
    if sql.endswith("'paid'"):
        fail_payment(asked.payment, reason="its nonce is gone")
    with pytest.raises(DatabaseError, match=re.escape(because)), transaction.atomic():
        connection.cursor().execute(sql)


def test_the_database_lets_nothing_go_to_an_unproven_wallet(budget, other_team):
    foreign = ask_for_proof(team=budget.team, address=OTHER.address)
    later = timezone.now() + timedelta(hours=1)
    with pytest.raises(DatabaseError, match="that its team has proven"), transaction.atomic():
        Withdrawal.objects.create(budget=budget, proof=foreign, amount=Decimal(1), deadline_at=later)
    proven(other_team, OTHER)
    theirs = WalletProof.objects.get(team=other_team)
    with pytest.raises(DatabaseError, match="that its team has proven"), transaction.atomic():
        Withdrawal.objects.create(budget=budget, proof=theirs, amount=Decimal(1), deadline_at=later)


def test_the_database_lets_a_payment_pay_one_withdrawal(budget):
    paid, other = confirm(ask(budget, "2")), ask(budget, "2")
    with pytest.raises(DatabaseError), transaction.atomic():
        Withdrawal.objects.filter(pk=other.pk).update(state="confirmed", payment=paid.payment)
    bigger = ask(budget, "3")
    free = Payment.objects.get(pk=paid.payment_id)
    free.id, free.transaction = Payment._meta.pk.get_default(), signed(tx_hash="0xother")
    free.save(force_insert=True)
    transfer(
        key=f"payout:{free.pk}",
        kind=TransferKind.PAYOUT,
        debit=budget.available,
        credit=house_account(AccountKind.IN_FLIGHT),
        amount_glm=free.amount,
    )
    with pytest.raises(DatabaseError, match="not over this withdrawal"), transaction.atomic():
        Withdrawal.objects.filter(pk=bigger.pk).update(state="confirmed", payment=free)
