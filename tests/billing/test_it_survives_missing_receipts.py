"""Nodes behind one address, or with pruned history, know no receipt of what a block has: nothing is lost."""

from decimal import Decimal

import pytest

from apps.billing.chain import watcher
from apps.billing.chain.client import Chain
from apps.billing.chain.proof import prove_books
from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.watcher import watch_chain
from apps.billing.models import ChainBlock, ChainTransfer, Payment, PaymentState, Transaction, TransactionKind
from apps.billing.treasury import batching
from apps.billing.treasury.following import fail_transaction
from apps.billing.treasury.settlement import pay_providers
from tests.billing.chain_of_tests import FINALITY
from tests.billing.test_it_pays_in_batches import let_it_finish, pay_in_through
from tests.billing.treasury_of_tests import NOTHING, OWED, WALLET, filled_budget, look_again, owe, settled

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.needs("chain"),
    pytest.mark.usefixtures("budget", "books_add_up"),
]


@pytest.fixture
def budget(team, anvil):
    return filled_budget(team, anvil)


def knows_none(chain, tx_hash):
    return None


def test_nobody_is_paid_twice_when_a_receipt_is_missing_before_its_blocks_are_read(
    anvil, owed, node, monkeypatch
):
    """After downtime the nonce is gone long before the watcher has read the block that has the payment."""
    pay_providers(minimum_glm=NOTHING)
    anvil.mine(FINALITY + 1)
    with monkeypatch.context() as patch:
        patch.setattr(watcher, "BATCHES_A_TICK", 0)
        patch.setattr(Chain, "receipt", knows_none)
        look_again()
    assert not Payment.objects.filter(state=PaymentState.FAILED).exists()
    assert pay_providers(minimum_glm=NOTHING) == []
    settled(anvil, node)


def test_nobody_is_paid_twice_when_a_receipt_is_missing_beside_its_event(anvil, owed, node, monkeypatch):
    """The watcher saw the Transfer, whatever the receipt says, but could not book it yet."""
    pay_providers(minimum_glm=NOTHING)
    anvil.mine(FINALITY + 1)
    with monkeypatch.context() as patch:
        patch.setattr(watcher, "deepen", lambda *, height: None)
        patch.setattr(Chain, "receipt", knows_none)
        look_again()
    assert ChainTransfer.objects.filter(recipient=node.id).exists()
    assert not Payment.objects.filter(state=PaymentState.FAILED).exists()
    settled(anvil, node)


def test_it_is_told_when_a_payment_that_failed_is_on_the_chain_all_the_same(anvil, owed, node):
    pay_providers(minimum_glm=NOTHING)
    fail_transaction(Transaction.objects.get(), reason="somebody was wrong")
    let_it_finish(anvil)
    assert reconcile().unmatched == 1
    assert any("transfers are either on the chain or in the ledger" in each for each in prove_books())


def test_it_reads_blocks_again_whose_receipts_are_missing_for_a_batch(
    anvil, owed, hold, node, make_node, settings, monkeypatch
):
    """One receipt tells what the contract passed on: without it these events would be missed for good."""
    anvil.batches(settings)
    other = make_node()
    owe(hold, other, OWED)
    favour(monkeypatch, TransactionKind.INDIRECT)
    pay_providers(minimum_glm=NOTHING)
    assert Transaction.objects.get().kind == TransactionKind.INDIRECT
    before = ChainBlock.objects.count()
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "carried", knows_none)
        watch_chain()
        assert ChainBlock.objects.count() == before
    let_it_finish(anvil)
    assert {payment.state for payment in Payment.objects.all()} == {PaymentState.FINAL}
    assert reconcile().agrees
    assert prove_books() == []


def test_it_reads_blocks_again_whose_receipts_are_missing_for_a_deposit(anvil, budget, settings, monkeypatch):
    """It would be a stranger's: the contract is its sender, and the receipt alone says who paid."""
    contract, before = anvil.batches(settings), budget.available_glm
    pay_in_through(anvil, contract, WALLET, Decimal(3))
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "carried", knows_none)
        watch_chain()
    anvil.grow(FINALITY)
    anvil.grow(FINALITY)
    assert budget.available_glm - before == 3


def favour(monkeypatch, kind):
    monkeypatch.setattr(batching, "min", lambda kinds, key: kind, raising=False)
