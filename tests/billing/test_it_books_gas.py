"""Gas on a real anvil: what each transaction cost is booked once, and the books know what is left."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from apps.billing.chain.client import Chain, ChainRefused, ChainUnreachable, chain
from apps.billing.chain.watcher import watch_chain
from apps.billing.ledger.posting import (
    balance,
    check_ledger,
    currencies,
    house_account,
    ledger_sum,
    payable_account,
)
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import AccountKind, Transaction, TransactionState, Transfer, TransferKind
from apps.billing.treasury.gas import check_coin, coin_account, coin_standing, gas_book, post_gas
from apps.billing.treasury.paying import reserve
from apps.billing.treasury.settlement import pay_providers
from apps.billing.treasury.signers import treasury_address
from apps.money import from_wei, plain
from apps.teams.audit import AuditLine
from apps.teams.notices.models import Notice
from hive_portal.stack.glm import PLENTY_OF_GAS_WEI
from hive_portal.standing import figures
from tests.billing.chain_of_tests import CONFIRMATIONS, FINALITY
from tests.billing.treasury_of_tests import owe

pytestmark = [pytest.mark.django_db, pytest.mark.needs("chain")]

PLENTY = from_wei(PLENTY_OF_GAS_WEI)
WALLET = Account.from_key("0x" + "77" * 32)
ELSEWHERE = to_checksum_address("0x" + "22" * 20)


@pytest.fixture(autouse=True)
def books_agree(anvil: Any) -> Any:
    yield
    assert [ledger_sum(currency=each) for each in currencies()] == [0] * len(currencies())
    assert check_ledger() == []


@pytest.fixture
def owed(anvil: Any, meter: Any, node: Any) -> None:
    anvil.glm.deposit(WALLET, treasury_address(), Decimal(10))
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()


def pay() -> Transaction:
    assert len(pay_providers(minimum_glm=Decimal(0))) == 1
    return Transaction.objects.get()


def spent() -> Decimal:
    """By the books."""
    return -balance(coin_account(AccountKind.GAS))


def gone(anvil: Any) -> Decimal:
    """By the chain, of what the fixture gave the treasury."""
    return PLENTY - from_wei(int(anvil.ask("eth_getBalance", treasury_address(), "latest"), 16))


def empty_of_glm(anvil: Any, address: str) -> None:
    """As if they had been sent away: the token's balances are a mapping in its first slot."""
    slot = keccak(bytes.fromhex(address[2:].rjust(64, "0") + "0" * 64))
    anvil.ask("anvil_setStorageAt", anvil.token, "0x" + slot.hex(), "0x" + "0" * 64)


def unreachable(*arguments: Any, **fields: Any) -> None:
    raise ChainUnreachable("the node is gone")


def by_hand(anvil: Any, **fields: Any) -> None:
    """A transaction that somebody else with the treasury's key sends."""
    sender = to_checksum_address(treasury_address())
    anvil.ask("anvil_impersonateAccount", sender)
    anvil.glm.w3.eth.send_transaction({"from": sender, "to": ELSEWHERE, **fields})


def test_it_books_what_a_payout_cost_when_it_is_final(anvil: Any, owed: None) -> None:
    paid = pay()
    anvil.grow(CONFIRMATIONS)
    assert (spent(), gone(anvil) > 0) == (0, True)
    anvil.grow(FINALITY)
    paid.refresh_from_db()
    assert spent() == paid.gas_coin == gone(anvil) > 0
    assert balance(coin_account(AccountKind.TREASURY)) == gone(anvil)
    entry = Transfer.objects.get(kind=TransferKind.GAS)
    assert (entry.key, entry.reference) == (f"gas:{paid.id}", f"transaction:{paid.id}")


def test_it_books_it_once_however_often_it_is_asked(anvil: Any, owed: None) -> None:
    pay()
    anvil.grow(FINALITY)
    for _ in range(3):
        assert post_gas(chain()) == 0
        watch_chain()
    assert spent() == gone(anvil)


def test_it_books_the_gas_of_the_block_that_stays(anvil: Any, owed: None) -> None:
    """The payout's first block is lost; it is mined again later, for another price."""
    paid = pay()
    anvil.grow(CONFIRMATIONS)
    anvil.reorganise(CONFIRMATIONS + 1)
    anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(1_500_000_000))
    for _ in range(2):
        Transaction.objects.update(retry_at=timezone.now())
        anvil.grow(FINALITY)
    paid.refresh_from_db()
    assert paid.state == TransactionState.FINAL
    assert spent() == paid.gas_coin == gone(anvil)


def test_it_books_what_a_failed_transaction_cost(anvil: Any, owed: None) -> None:
    """The treasury's GLM are gone by the time of its block: the token refuses, and the gas is spent."""
    anvil.ask("evm_setAutomine", False)
    paid = pay()
    empty_of_glm(anvil, treasury_address())
    anvil.ask("evm_setAutomine", True)
    anvil.grow(FINALITY)
    Transaction.objects.update(retry_at=timezone.now())
    watch_chain()
    paid.refresh_from_db()
    assert paid.state == TransactionState.FAILED
    assert spent() == paid.gas_coin == gone(anvil) > 0


def test_it_books_nothing_for_what_no_block_ever_had(anvil: Any, owed: None, monkeypatch: Any) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", unreachable)
        paid = pay()
    by_hand(anvil)
    anvil.mine(FINALITY)
    Transaction.objects.update(retry_at=timezone.now())
    watch_chain()
    paid.refresh_from_db()
    assert (paid.state, paid.gas_coin, spent()) == (TransactionState.FAILED, 0, 0)


def test_one_that_nobody_tells_of_holds_up_nothing(
    anvil: Any, owed: None, hold: Any, make_node: Any, monkeypatch: Any
) -> None:
    """A node that forgets old receipts refuses one: the others are booked, and what was approved goes out."""
    old = pay()
    anvil.grow(CONFIRMATIONS)
    owe(hold, another := make_node(), "0.01")
    pay_providers(minimum_glm=Decimal(0))
    owe(hold, approved := make_node(), "0.02")
    reserve(
        chain_id=31337,
        source=payable_account(approved),
        recipient=approved.id,
        amount_glm=Decimal("0.02"),
        node_id=approved.id,
    )
    receipt = Chain.receipt

    def forgetful(chain: Chain, tx_hash: str) -> Any:
        if tx_hash == old.tx_hash:
            raise ChainRefused("eth_getTransactionReceipt: history was pruned")
        return receipt(chain, tx_hash)

    with monkeypatch.context() as patch:
        patch.setattr(Chain, "receipt", forgetful)
        for _ in range(2):
            anvil.grow(FINALITY)
    assert [anvil.glm_of(each.id) for each in (another, approved)] == [Decimal("0.01"), Decimal("0.02")]
    assert list(Transaction.objects.filter(gas_coin=None)) == [old]
    watch_chain()
    assert spent() == gone(anvil)


def test_it_never_changes_what_was_booked(anvil: Any, owed: None) -> None:
    pay()
    anvil.grow(FINALITY)
    with pytest.raises(DatabaseError, match="its gas is booked"), transaction.atomic():
        connection.cursor().execute("UPDATE billing_transaction SET gas_coin = 0")


# -- what is left -----------------------------------------------------------------------------------------


def test_it_finds_what_was_brought_in(anvil: Any, owed: None, admin_client: Client) -> None:
    pay()
    anvil.grow(FINALITY)
    check_coin()
    check_coin()
    funding = Transfer.objects.get(kind=TransferKind.FUNDING)
    assert funding.amount == PLENTY
    assert -balance(coin_account(AccountKind.TREASURY)) == PLENTY - gone(anvil)
    standing = coin_standing(chain(), block=chain().height())
    assert standing is not None
    assert (standing.difference_coin, standing.foreign) == (0, 0)
    book = gas_book()
    assert (book.left_coin, book.spent_lately_coin) == (PLENTY - gone(anvil), gone(anvil))
    left = f"{plain(book.left_coin)} ETH"
    [shown] = [each.value for each in figures() if each.title == "Left for gas"]
    assert shown.endswith(" ETH")
    assert left.startswith(shown.removesuffix(" ETH"))
    page = admin_client.get(reverse("billing:proofs")).content.decode()
    assert f"{left} are left by the books" in page
    assert Notice.objects.filter(kind__startswith="treasury.").count() == 0


def test_it_waits_until_the_gas_of_each_is_booked(anvil: Any, owed: None) -> None:
    pay()
    assert coin_standing(chain(), block=chain().height()) is None


def test_it_tells_operators_of_coin_that_is_missing(anvil: Any, owed: None) -> None:
    pay()
    anvil.grow(FINALITY)
    check_coin()
    by_hand(anvil, value=10**18)
    anvil.grow(FINALITY)
    check_coin()
    check_coin()
    notice = Notice.objects.get(kind="treasury.coin_missing")
    assert Decimal(notice.data["missing_coin"]) > 1
    assert "1 of its transactions were not signed by the Hive" in notice.text


def test_it_counts_what_another_sent_in_the_place_of_ours(anvil: Any, owed: None, monkeypatch: Any) -> None:
    """Its nonce is one that the Hive had signed too, for a transaction that no block ever had."""
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", unreachable)
        pay()
    by_hand(anvil, value=10**18)
    anvil.grow(FINALITY)
    Transaction.objects.update(retry_at=timezone.now())
    watch_chain()
    assert Transaction.objects.get().state == TransactionState.FAILED
    standing = coin_standing(chain(), block=chain().height())
    assert standing is not None
    assert standing.foreign == 1


def test_it_tells_once_that_coin_gets_low(anvil: Any, settings: Any) -> None:
    settings.HIVE_GAS_LOW = PLENTY + 1
    check_coin()
    check_coin()
    assert Notice.objects.filter(kind="treasury.gas_low").count() == 1
    settings.HIVE_GAS_LOW = Decimal(1)
    check_coin()
    settings.HIVE_GAS_LOW = PLENTY + 1
    check_coin()
    assert Notice.objects.filter(kind="treasury.gas_low").count() == 2
    told = AuditLine.objects.filter(noun="account", actor="queen:gas").values_list("after", flat=True)
    assert sorted(told) == ["enough", "low", "low"]


def test_it_asks_nothing_of_a_chain_that_does_not_answer(anvil: Any, settings: Any, caplog: Any) -> None:
    settings.HIVE_RPC_URL = "http://127.0.0.1:1"
    check_coin()
    assert "can't be asked" in caplog.text
    assert not Transfer.objects.filter(debit=house_account(AccountKind.TREASURY, currency="ETH")).exists()
