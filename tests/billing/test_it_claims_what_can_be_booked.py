"""Events that anybody can make for the price of gas: of nothing, or more than there is. They stop nobody."""

from decimal import Decimal

import pytest
from eth_account import Account

from apps.billing.chain.calls import Call, Gas, word
from apps.billing.chain.client import chain
from apps.billing.chain.proof import prove_books
from apps.billing.chain.proving import prove_day
from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.watcher import watch_chain
from apps.billing.models import ChainTransfer, DailyProof
from apps.nodes.queen import queen_address
from tests.billing.chain_of_tests import FINALITY
from tests.billing.treasury_of_tests import WALLET, filled_budget

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.needs("chain"),
    pytest.mark.usefixtures("budget", "books_add_up"),
]

EVE = Account.from_key("0x" + "99" * 32)
GAS = Gas(limit=300_000, max_fee_wei=10**11, tip_wei=10**9)
TRANSFER_FROM_SELECTOR = "23b872dd"


@pytest.fixture
def budget(team, anvil):
    return filled_budget(team, anvil)


def test_a_transfer_of_nothing_out_of_the_treasury_flags_no_proof(anvil):
    """ERC-20 lets anybody move nothing out of any wallet, and tells of it in an event."""
    anvil.glm.fund_gas(EVE.address)
    words = f"{word(queen_address())}{word(EVE.address)}{0:064x}"
    call = Call(to=anvil.token, data=f"0x{TRANSFER_FROM_SELECTOR}{words}")
    raw = EVE.sign_transaction(chain().unsigned(call, nonce=0, gas=GAS)).raw_transaction
    tx_hash = anvil.ask("eth_sendRawTransaction", "0x" + bytes(raw).hex())
    [*_, event] = chain().transfers_of(queen_address(), first=0, last=chain().height())
    assert (event.tx_hash, event.amount_glm) == (tx_hash, 0)
    anvil.grow(FINALITY)
    assert not ChainTransfer.objects.filter(tx_hash=tx_hash).exists()
    assert reconcile().agrees
    [proof] = prove_day()
    assert not proof.is_flagged


def test_a_deposit_beyond_the_ledger_stops_nobody_elses_and_is_flagged(anvil, budget, caplog):
    before = budget.available_glm
    anvil.glm.deposit(EVE, queen_address(), Decimal(10) ** 10)
    anvil.glm.deposit(WALLET, queen_address(), Decimal(1))
    anvil.mine(FINALITY)
    watch_chain()
    assert budget.available_glm - before == 1
    assert "more than the ledger can hold" in caplog.text
    assert prove_books()
    [proof] = prove_day()
    assert DailyProof.objects.get().is_flagged, proof.lines
