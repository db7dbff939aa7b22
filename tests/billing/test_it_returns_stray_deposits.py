"""A stranger's deposit goes back to its sender, once, whatever is killed or reorganised, on a real anvil."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from apps.billing.chain.client import Chain, ChainUnreachable
from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.watcher import watch_chain
from apps.billing.ledger.posting import balance, house_account
from apps.billing.models import AccountKind, ChainTransfer, Payment, PaymentState, Transaction
from apps.billing.treasury.following import fail_payment
from apps.billing.wallets.proving import register_wallet
from apps.billing.wallets.stray import credit_stray_deposit, return_stray_deposit
from apps.nodes.queen import queen_address
from apps.teams.audit import Actor, AuditLine
from tests.billing.chain_of_tests import CONFIRMATIONS, FINALITY
from tests.billing.payments_of_tests import signed
from tests.billing.treasury_of_tests import Killed, kill_at
from tests.billing.wallets_of_tests import WALLET

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.needs("chain"),
    pytest.mark.usefixtures("anvil", "books_add_up"),
]

OTTO = Actor("user", "otto")
SENDER = WALLET.address.lower()


def suspense():
    return balance(house_account(AccountKind.SUSPENSE))


@pytest.fixture
def stray(anvil):
    """3 GLM of a stranger, final."""
    anvil.glm.deposit(WALLET, queen_address(), Decimal(3))
    anvil.grow(FINALITY)
    assert suspense() == 3
    return ChainTransfer.objects.get()


def send_back(deposit):
    return return_stray_deposit(deposit, actor=OTTO, reason="asked for")


def settled(anvil):
    """Let chain and watcher finish: the sender has it back, exactly once."""
    for _ in range(2):
        Transaction.objects.update(retry_at=timezone.now())
        watch_chain()
        anvil.grow(FINALITY)
    assert Payment.objects.exclude(state=PaymentState.FAILED).get().state == PaymentState.FINAL
    assert anvil.glm_of(SENDER) == 3
    assert suspense() == balance(house_account(AccountKind.IN_FLIGHT)) == 0
    result = reconcile()
    assert (result.agrees, result.chain_balance_glm) == (True, 0)


def test_it_sends_it_back_and_says_who_decided(anvil, stray):
    payment = send_back(stray)
    assert (payment.purpose, payment.recipient, payment.amount) == ("return", SENDER, 3)
    assert (suspense(), balance(house_account(AccountKind.IN_FLIGHT))) == (0, 3)
    line = AuditLine.objects.get(actor="user:otto")
    assert (line.before, line.after, line.reason) == (
        "in suspense",
        "returned",
        f"3 GLM to {SENDER}: asked for",
    )
    settled(anvil)


def test_it_sends_it_back_once(anvil, stray, team):
    send_back(stray)
    register_wallet(team, SENDER)
    for verb in (return_stray_deposit, credit_stray_deposit):
        with pytest.raises(ValueError, match="it was returned already"):
            verb(stray, actor=OTTO, reason="again")
    settled(anvil)


def test_it_sends_nothing_back_that_was_credited(anvil, stray, team):
    budget = register_wallet(team, SENDER).budget
    credit_stray_deposit(stray, actor=OTTO, reason="asked for")
    with pytest.raises(ValueError, match="it was credited already"):
        send_back(stray)
    assert budget.available_glm == 3


def test_it_sends_nothing_back_that_may_still_leave_the_chain(anvil):
    anvil.glm.deposit(WALLET, queen_address(), Decimal(3))
    anvil.grow(CONFIRMATIONS)
    with pytest.raises(ValueError, match="must be final first"):
        send_back(ChainTransfer.objects.get())


def test_it_sends_no_teams_deposit_back(anvil, team):
    register_wallet(team, SENDER)
    anvil.glm.deposit(WALLET, queen_address(), Decimal(3))
    anvil.grow(FINALITY)
    with pytest.raises(ValueError, match="nothing of it lies in suspense"):
        send_back(ChainTransfer.objects.get())


def test_it_changes_nothing_while_the_chain_is_silent(anvil, stray, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "gas_of", silent)
        with pytest.raises(ValueError, match="can't be sent now"):
            send_back(stray)
    assert (suspense(), Payment.objects.count()) == (3, 0)
    send_back(stray)
    settled(anvil)


def silent(*args, **kwargs):
    raise ChainUnreachable("gone")


@pytest.mark.parametrize("step", ["before the transaction", "after the transaction", "after sending"])
def test_it_sends_it_back_once_though_killed(anvil, stray, monkeypatch, step):
    with monkeypatch.context() as patch:
        kill_at(step, patch)
        with pytest.raises(Killed):
            send_back(stray)
    if step == "before the transaction":
        assert (suspense(), Payment.objects.count()) == (3, 0)
        send_back(stray)
    else:
        with pytest.raises(ValueError, match="it was returned already"):
            send_back(stray)
    settled(anvil)


def test_it_sends_it_again_when_its_block_is_gone(anvil, stray):
    payment = send_back(stray)
    anvil.grow(CONFIRMATIONS - 1)
    anvil.reorganise(CONFIRMATIONS)
    watch_chain()
    payment.refresh_from_db()
    assert (payment.state, payment.block_number) == (PaymentState.SENT, None)
    settled(anvil)


def test_it_may_be_decided_anew_when_the_payment_failed(anvil, stray, monkeypatch):
    monkeypatch.setattr("apps.billing.wallets.stray.push_payment", lambda chain, payment: None)
    fail_payment(send_back(stray), reason="its nonce is gone")
    assert suspense() == 3
    monkeypatch.undo()
    send_back(stray)


def test_the_database_lets_no_deposit_be_returned_twice(anvil, stray):
    payment = send_back(stray)
    payment.id, payment.transaction = Payment._meta.pk.get_default(), signed()
    payment.deadline_at = timezone.now() + timedelta(hours=1)
    with pytest.raises(DatabaseError, match="stray_deposit_returned_once"), transaction.atomic():
        payment.save(force_insert=True)
