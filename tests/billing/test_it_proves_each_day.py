"""Once a day the chain's balance is the ledger's, or the difference is told: on a real anvil."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import IntegrityError, InternalError, connection, transaction
from django.utils import timezone
from eth_account import Account

from apps.billing.chain.calls import transfer_call
from apps.billing.chain.proving import prove_day
from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.watcher import watch_chain
from apps.billing.ledger.posting import balance, house_account, ledger_sum, payable_account, transfer
from apps.billing.models import AccountKind, ChainBlock, DailyProof, TransferKind
from apps.billing.treasury.settlement import pay_providers
from apps.billing.treasury.signers import treasury_address
from apps.billing.wallets.proving import register_wallet
from apps.teams.notices.models import Notice
from tests.billing.chain_of_tests import CONFIRMATIONS, FINALITY

pytestmark = [pytest.mark.django_db, pytest.mark.needs("chain")]

WALLET, NEXT_TREASURY = Account.from_key("0x" + "77" * 32), Account.from_key("0x" + "78" * 32)


@pytest.fixture
def purse(team):
    return register_wallet(team, WALLET.address).budget


def deposit(anvil, amount="2.5"):
    return anvil.glm.deposit(WALLET, treasury_address(), Decimal(amount))


def whats(proof):
    return [line["what"] for line in proof.lines]


def test_a_day_without_difference_is_proven_once(anvil, purse):
    deposit(anvil)
    anvil.grow(FINALITY)
    [proof] = prove_day()
    assert (proof.verdict, proof.lines, proof.wallet) == ("proven", [], treasury_address())
    assert proof.chain_balance == proof.ledger_balance == Decimal("2.5")
    newest = ChainBlock.objects.latest("number")
    assert (proof.block_number, proof.block_hash) == (newest.number, newest.hash)
    assert proof.day == timezone.now().date()
    assert prove_day() == []
    assert DailyProof.objects.count() == 1


def test_what_is_under_way_explains_a_difference(anvil, purse, node):
    deposit(anvil)
    anvil.grow(FINALITY)
    owe(purse, node, "1")
    pay_providers(minimum_glm=Decimal(0))
    tx_hash = deposit(anvil, "0.5")
    watch_chain()
    [proof] = prove_day()
    assert (proof.verdict, proof.coming, proof.leaving, proof.unexplained) == (
        "explained",
        Decimal("0.5"),
        1,
        0,
    )
    assert (proof.chain_balance, proof.ledger_balance) == (2, Decimal("2.5"))
    came, went = proof.lines[:2]
    assert came == {
        "what": "came in, not deep enough to be credited (1 transfer)",
        "amount_glm": "0.5",
        "events": [tx_hash],
    }
    assert (went["what"], went["amount_glm"]) == ("went out, not deep enough to be final (1 transfer)", "-1")


def test_gas_is_told_of_and_is_no_difference(anvil, purse, node):
    deposit(anvil)
    anvil.grow(FINALITY)
    owe(purse, node, "1")
    pay_providers(minimum_glm=Decimal(0))
    anvil.grow(FINALITY)
    anvil.grow(1)
    [proof] = prove_day()
    assert proof.verdict == "proven"
    [line] = proof.lines
    assert line["what"].startswith("gas is paid in ETH, not in GLM: 0.0")


def test_a_reverted_deposit_is_told_of(anvil, purse):
    deposit(anvil)
    anvil.grow(CONFIRMATIONS - 1)
    anvil.reorganise(CONFIRMATIONS)
    watch_chain()
    [proof] = prove_day()
    assert (proof.verdict, proof.chain_balance) == ("proven", 0)
    assert whats(proof) == ["reverted today: counter-entries undid what they caused (1 transfer)"]


def test_what_nothing_explains_flags_the_day_and_tells_the_operators(anvil, purse, settings, caplog):
    settings.HIVE_OPERATORS_EMAIL = ["ops@hive.example"]
    deposit(anvil)
    anvil.grow(FINALITY)
    invent(purse)
    [proof] = prove_day()
    assert (proof.verdict, proof.unexplained) == ("flagged", -1)
    assert proof.lines == [
        {"what": "nothing that the Hive knows of explains this", "amount_glm": "-1", "events": []}
    ]
    assert "is flagged" in caplog.text
    notice = Notice.objects.get(kind="proof.flagged")
    assert "2.5 GLM on chain 31337" in notice.text
    assert "3.5 GLM in the ledger" in notice.text


def test_a_transfer_that_the_ledger_lacks_flags_the_day_by_its_name(anvil, purse):
    tx_hash = deposit(anvil)
    watch_chain()
    with connection.cursor() as cursor:  # as if somebody had written to the database
        cursor.execute("UPDATE billing_chaintransfer SET state = 'confirmed'")
    [proof] = prove_day()
    assert (proof.verdict, proof.unmatched) == ("flagged", 1)
    assert [line["events"] for line in proof.lines] == [[tx_hash]]


def test_it_makes_no_proof_while_the_chain_cant_be_asked(anvil, purse, caplog):
    deposit(anvil)
    anvil.grow(FINALITY)
    anvil.stop()
    assert prove_day() == []
    assert "the day is not proven" in caplog.text
    anvil.start()
    assert len(prove_day()) == 1


def test_it_goes_on_watching_a_treasury_that_was(anvil, purse, settings):
    """Whoever has an old payment request pays to the old address, and it is moved on by hand."""
    old = treasury_address()
    deposit(anvil)
    anvil.grow(FINALITY)
    settings.HIVE_TREASURY = NEXT_TREASURY.address.lower()
    anvil.grow(1)
    anvil.glm.deposit(WALLET, old, Decimal(3))
    deposit(anvil, "4")
    anvil.grow(FINALITY)
    assert purse.available_glm == Decimal("9.5")
    assert reconcile().agrees
    proofs = {proof.wallet: proof for proof in prove_day()}
    assert {wallet: proof.verdict for wallet, proof in proofs.items()} == {
        old: "proven",
        settings.HIVE_TREASURY: "proven",
    }
    assert proofs[old].ledger_balance == Decimal("5.5")
    assert proofs[settings.HIVE_TREASURY].ledger_balance == 4
    move(anvil, old, settings.HIVE_TREASURY, "5")
    anvil.grow(FINALITY)
    assert balance(house_account(AccountKind.SUSPENSE)) == 0
    assert reconcile().agrees
    assert ledger_sum() == 0
    with time_of_tomorrow():
        proofs = {proof.wallet: proof for proof in prove_day()}
    assert (proofs[old].moved, proofs[old].verdict) == (-5, "explained")
    assert (proofs[settings.HIVE_TREASURY].moved, proofs[settings.HIVE_TREASURY].chain_balance) == (5, 9)


@pytest.mark.parametrize(
    "change", ["chain_balance = 1", "lines = '[]'", "is_flagged = true", "day = '2020-01-01'"]
)
def test_a_proof_is_never_changed(anvil, purse, change):
    deposit(anvil)
    watch_chain()
    prove_day()
    with pytest.raises((IntegrityError, InternalError)), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE billing_dailyproof SET {change}")
    with pytest.raises((IntegrityError, InternalError)), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM billing_dailyproof")


def test_no_proof_says_that_it_adds_up_when_it_does_not(db):
    fields = {
        "day": "2026-11-21",
        "chain_id": 1,
        "wallet": "0x",
        "block_number": 1,
        "block_hash": "0x",
        "chain_balance": 2,
        "ledger_balance": 1,
        "coming": 0,
        "leaving": 0,
        "moved": 0,
        "unmatched": 0,
    }
    with pytest.raises(IntegrityError, match="adds_up"), transaction.atomic():
        DailyProof.objects.create(**fields, unexplained=0, is_flagged=False)
    with pytest.raises(IntegrityError, match="flagged_when"), transaction.atomic():
        DailyProof.objects.create(**fields, unexplained=1, is_flagged=False)


def time_of_tomorrow():
    return time_machine.travel(timezone.now() + timedelta(days=1))


def move(anvil, sender, recipient, amount):
    """By the key of the treasury that was, from outside the Hive."""
    call = transfer_call(anvil.token, recipient=recipient, amount_glm=Decimal(amount))
    anvil.ask("anvil_impersonateAccount", sender)
    anvil.ask("eth_sendTransaction", {"from": sender, "to": call.to, "data": call.data})


def owe(budget, node, amount):
    """What the node has earned, posted from the budget."""
    transfer(
        key=f"usage:{amount}",
        kind=TransferKind.HOLD,
        debit=budget.available,
        credit=budget.held,
        amount_glm=Decimal(amount),
    )
    transfer(
        key=f"earned:{amount}",
        kind=TransferKind.USAGE,
        debit=budget.held,
        credit=payable_account(node),
        amount_glm=Decimal(amount),
    )


def invent(budget):
    """A deposit that the chain knows nothing of."""
    transfer(
        key="invented",
        kind=TransferKind.DEPOSIT,
        debit=house_account(AccountKind.TREASURY),
        credit=budget.available,
        amount_glm=Decimal(1),
    )
