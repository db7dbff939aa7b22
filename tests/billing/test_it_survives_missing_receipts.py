"""Nodes behind one address, or with pruned history, know no receipt of what a block has: nothing is lost."""

import pytest

from apps.billing.chain import watcher
from apps.billing.chain.client import Chain
from apps.billing.chain.proof import prove_books
from apps.billing.chain.reconciliation import reconcile
from apps.billing.ledger.posting import check_ledger, ledger_sum
from apps.billing.models import ChainTransfer, Payment, PaymentState, Transaction
from apps.billing.treasury.following import fail_transaction
from apps.billing.treasury.settlement import pay_providers
from tests.billing.chain_of_tests import FINALITY
from tests.billing.test_it_pays_in_batches import let_it_finish
from tests.billing.treasury_of_tests import NOTHING, filled_budget, look_again, settled

pytestmark = [pytest.mark.django_db, pytest.mark.needs("chain")]


@pytest.fixture
def budget(team, anvil):
    return filled_budget(team, anvil)


@pytest.fixture(autouse=True)
def books_add_up(budget):
    yield
    assert (ledger_sum(), check_ledger()) == (0, [])


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
