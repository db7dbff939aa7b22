"""Deposits, reorganisations and a dead node, on a real anvil."""

import logging
from decimal import Decimal

import pytest
from eth_account import Account

from apps.billing.budgets.holding import place_hold
from apps.billing.chain import deposits, depth, watcher
from apps.billing.chain.client import Chain, chain
from apps.billing.chain.depth import deepen
from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.rpc import RpcNode
from apps.billing.chain.watcher import watch_chain
from apps.billing.ledger.posting import LedgerError, balance, house_account
from apps.billing.models import AccountKind, ChainBlock, ChainTransfer, ChainTransferState, Transfer
from apps.billing.wallets.proving import WalletTaken, register_wallet
from apps.billing.wallets.stray import credit_stray_deposit
from apps.nodes.queen import queen_address
from apps.teams.audit import Actor, AuditLine
from hive_portal.stack.glm import DevelopmentGlm
from tests.billing.chain_of_tests import CONFIRMATIONS, FINALITY
from tests.billing.faulty_nodes import FaultyNode, honest, lags, lies_about

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.needs("chain"),
    pytest.mark.usefixtures("anvil", "books_add_up"),
]

WALLET = Account.from_key("0x" + "77" * 32)
OTTO = Actor("user", "otto")


@pytest.fixture
def purse(team):
    """The team's budget, empty, with a wallet."""
    return register_wallet(team, WALLET.address).budget


def send(anvil, amount):
    return anvil.glm.deposit(WALLET, queen_address(), Decimal(amount))


def states():
    return list(ChainTransfer.objects.order_by("pk").values_list("state", flat=True))


def test_it_credits_a_deposit_once_it_is_deep_enough(anvil, purse):
    send(anvil, "2.5")
    watch_chain()
    assert (states(), purse.available_glm) == ([ChainTransferState.SEEN], 0)
    assert reconcile().agrees  # it is pending
    anvil.grow(CONFIRMATIONS - 1)
    assert (states(), purse.available_glm) == ([ChainTransferState.CONFIRMED], Decimal("2.5"))
    anvil.grow(FINALITY)
    assert (states(), purse.available_glm) == ([ChainTransferState.FINAL], Decimal("2.5"))
    result = reconcile()
    assert (result.matched, result.unmatched, result.difference_glm) == (1, 0, 0)
    assert result.chain_balance_glm == result.ledger_balance_glm == Decimal("2.5")


def test_it_credits_a_deposit_once_however_often_it_is_read(anvil, purse):
    send(anvil, "1")
    anvil.grow(FINALITY)
    ChainBlock.objects.all().delete()  # as if the watcher had forgotten all of it
    watch_chain()
    anvil.grow(FINALITY)
    assert (states(), purse.available_glm) == ([ChainTransferState.FINAL], 1)


def test_it_catches_up_in_batches(anvil, purse, monkeypatch):
    monkeypatch.setattr("apps.billing.chain.watcher.BATCH_BLOCKS", 7)
    monkeypatch.setattr("apps.billing.chain.watcher.BATCHES_A_TICK", 3)
    send(anvil, "1")
    anvil.mine(40)
    read = watch_chain()
    assert read == 21
    while watch_chain():
        pass
    assert (states(), purse.available_glm) == ([ChainTransferState.FINAL], 1)
    assert ChainBlock.objects.count() <= 2 * FINALITY + 1


def test_it_puts_a_strangers_deposit_into_suspense(anvil):
    send(anvil, "1")
    anvil.grow(CONFIRMATIONS)
    assert balance(house_account(AccountKind.SUSPENSE)) == 1
    assert reconcile().agrees


def test_an_operator_credits_a_strangers_deposit_once_its_wallet_is_known(anvil, team):
    send(anvil, "1")
    anvil.grow(CONFIRMATIONS)
    stray = ChainTransfer.objects.get()
    refused(stray, "it is confirmed: it must be final first")
    anvil.grow(FINALITY)
    stray.refresh_from_db()
    refused(stray, "is no team's wallet: ask the sender's team to prove it, then credit it")
    budget = register_wallet(team, WALLET.address).budget

    credit_stray_deposit(stray, actor=OTTO, reason="asked for")

    assert (budget.available_glm, balance(house_account(AccountKind.SUSPENSE))) == (1, 0)
    line = AuditLine.objects.get(actor="user:otto")
    assert (line.team, line.before, line.after) == (team, "in suspense", "credited")
    assert line.reason == "1 GLM to bakery/main: asked for"
    refused(ChainTransfer.objects.get(), "it was credited already")
    assert reconcile().agrees


def test_an_operator_credits_no_deposit_that_has_its_budget(anvil, purse):
    send(anvil, "1")
    anvil.grow(FINALITY)
    refused(ChainTransfer.objects.get(), "nothing of it lies in suspense")


def refused(deposit, because):
    with pytest.raises(ValueError, match=because):
        credit_stray_deposit(deposit, actor=OTTO, reason="asked for")


def test_it_undoes_a_deposit_whose_block_is_gone_and_credits_it_anew(anvil, purse):
    tx_hash = send(anvil, "3")
    raw = raw_transaction(anvil, tx_hash)
    anvil.grow(CONFIRMATIONS - 1)
    assert purse.available_glm == 3
    anvil.reorganise(CONFIRMATIONS)
    watch_chain()
    assert (states(), purse.available_glm) == ([ChainTransferState.REVERTED], 0)
    assert Transfer.objects.filter(kind="counter").count() == 1
    assert reconcile().agrees
    anvil.ask("eth_sendRawTransaction", raw)
    anvil.grow(FINALITY)
    assert states() == [ChainTransferState.REVERTED, ChainTransferState.FINAL]
    assert purse.available_glm == 3
    assert reconcile().agrees


def test_it_forgets_a_deposit_that_was_only_seen(anvil, purse):
    send(anvil, "3")
    watch_chain()
    anvil.reorganise(1)
    anvil.grow(FINALITY)
    assert (states(), purse.available_glm) == ([ChainTransferState.REVERTED], 0)
    assert not Transfer.objects.exists()


def test_it_bears_what_a_team_has_spent_of_a_deposit_that_vanished(anvil, purse, now, caplog):
    tx_hash = send(anvil, "3")
    raw = raw_transaction(anvil, tx_hash)
    anvil.grow(CONFIRMATIONS - 1)
    place_hold(budget=purse, reference="replica:1:1", amount_glm=Decimal(2), until=now)
    anvil.reorganise(CONFIRMATIONS)
    watch_chain()
    assert (purse.available_glm, purse.held_glm) == (0, 2)
    assert balance(house_account(AccountKind.SUSPENSE)) == -2
    assert "2 GLM of a reverted deposit are spent" in caplog.text
    anvil.ask("eth_sendRawTransaction", raw)
    anvil.grow(FINALITY)
    assert (purse.available_glm, purse.held_glm) == (1, 2)
    assert balance(house_account(AccountKind.SUSPENSE)) == 0
    assert reconcile().agrees


def test_it_knows_a_deposit_again_that_has_another_place_in_another_block(anvil, purse, now):
    """Logs are counted by block: who comes first in it has number 0."""
    raw = raw_transaction(anvil, send(anvil, "3"))
    anvil.grow(CONFIRMATIONS - 1)
    place_hold(budget=purse, reference="replica:1:1", amount_glm=Decimal(2), until=now)
    anvil.reorganise(CONFIRMATIONS)
    watch_chain()
    anvil.ask("evm_setAutomine", False)
    mint = {"from": anvil.glm.w3.eth.accounts[0], "maxPriorityFeePerGas": 10**11, "maxFeePerGas": 10**12}
    anvil.glm.token.functions.mint(WALLET.address, 1).transact(mint)
    anvil.ask("eth_sendRawTransaction", raw)
    anvil.ask("evm_setAutomine", True)
    anvil.grow(FINALITY)
    assert list(ChainTransfer.objects.order_by("pk").values_list("log_index", flat=True)) == [0, 1]
    assert (purse.available_glm, purse.held_glm) == (1, 2), "what the Hive bore for it came back"
    assert balance(house_account(AccountKind.SUSPENSE)) == 0
    assert reconcile().agrees


def test_it_reads_all_again_after_a_reorganisation_deeper_than_it_remembers(anvil, purse, caplog):
    send(anvil, "1")
    anvil.grow(3 * FINALITY)
    anvil.reorganise(2 * FINALITY + 2)
    anvil.grow(FINALITY)
    assert "deeper than 10 blocks" in caplog.text
    assert (states(), purse.available_glm) == ([ChainTransferState.FINAL], 1)


def test_it_reads_again_what_changed_under_its_eyes(anvil, purse, monkeypatch):
    """A reorganisation between two questions must not leave a block that is no longer part of the chain."""
    send(anvil, "1")
    anvil.mine(3)
    ask, disturb = RpcNode.ask_all, [lambda: anvil.reorganise(6)]

    def ask_all(node, method, asked, *, read):
        found = ask(node, method, asked[:3], read=read)
        if disturb:
            disturb.pop()()
        return [*found, *ask(node, method, asked[3:], read=read)]

    monkeypatch.setattr(RpcNode, "ask_all", ask_all)
    assert watch_chain() == 0
    assert not ChainBlock.objects.exists()
    assert watch_chain() > 0
    assert {each.hash for each in ChainBlock.objects.all()} == {
        chain().block(each.number).hash for each in ChainBlock.objects.all()
    }
    assert states() == []


def test_it_misses_no_deposit_that_comes_with_a_reorganisation(anvil, purse, monkeypatch):
    """The block that the deposit is in replaces an empty one while the watcher reads."""
    raw = raw_transaction(anvil, send(anvil, "1"))
    anvil.reorganise(1)  # its block is gone: what the watcher is about to ask has no transfer
    ask, disturb = Chain.transfers_of, [lambda: anvil.ask("eth_sendRawTransaction", raw)]

    def transfers_of(chain, address, *, first, last):
        found = ask(chain, address, first=first, last=last)
        if disturb:
            anvil.ask("evm_revert", before)
            disturb.pop()()
        return found

    anvil.mine(1)
    before = anvil.ask("evm_snapshot")
    anvil.mine(1)
    monkeypatch.setattr(Chain, "transfers_of", transfers_of)
    watch_chain()
    anvil.grow(FINALITY)
    assert (states(), purse.available_glm) == ([ChainTransferState.FINAL], 1)


def test_one_that_another_worker_moved_holds_up_no_other(anvil, purse, monkeypatch):
    send(anvil, 2)
    send(anvil, 3)
    with monkeypatch.context() as patch:
        patch.setattr(watcher, "deepen", lambda height: None)
        watch_chain()
    found = depth._of

    def late(*args, **kwargs):
        rows = found(*args, **kwargs)
        ChainTransfer.objects.filter(pk__in=[row.pk for row in rows], amount=2).update(state="reverted")
        return rows

    monkeypatch.setattr(depth, "_of", late)
    monkeypatch.setattr(deposits, "post_entries", refuse)
    deepen(height=ChainBlock.objects.latest("number").number + CONFIRMATIONS - 1)
    assert states() == [ChainTransferState.REVERTED, ChainTransferState.CONFIRMED]
    assert purse.available_glm == 3


def test_one_that_cant_be_booked_holds_up_no_other(anvil, purse, monkeypatch, caplog):
    send(anvil, 2)
    send(anvil, 3)
    transfer = deposits.transfer

    def fussy(*, amount_glm, **fields):
        return refuse() if amount_glm == 2 else transfer(amount_glm=amount_glm, **fields)

    with monkeypatch.context() as patch:
        patch.setattr(deposits, "post_entries", refuse)
        patch.setattr(deposits, "transfer", fussy)
        anvil.grow(CONFIRMATIONS)
        assert states() == [ChainTransferState.SEEN, ChainTransferState.CONFIRMED]
        assert purse.available_glm == 3
        assert "can't be booked: not this one" in caplog.text
    anvil.grow(FINALITY)
    assert (states(), purse.available_glm) == ([ChainTransferState.FINAL] * 2, 5)


def refuse(*args, **kwargs):
    raise LedgerError("not this one")


def test_sets_tell_the_audit_trail_what_one_by_one_would(anvil, purse, monkeypatch):
    for amount in ("2", "10", "0.000000000000000001", "1234.5000"):
        send(anvil, amount)
    monkeypatch.setattr("apps.billing.chain.moving.SET", 3)
    anvil.grow(FINALITY)
    for each in ChainTransfer.objects.all():
        lines = AuditLine.objects.filter(noun="chaintransfer", noun_id=each.pk).order_by("id")
        drafted = AuditLine.draft(each, before="", after="", actor=depth.WATCHER, reason="")
        assert {line.label for line in lines} == {drafted.label} == {str(each)}
        assert {line.team for line in lines} == {purse.team}
        assert [(line.before, line.after) for line in lines] == [
            ("seen", "confirmed"),
            ("confirmed", "final"),
        ]
        assert {line.actor for line in lines} == {drafted.actor}


def test_it_says_once_that_the_node_is_dead_and_loses_nothing(anvil, purse, caplog):
    caplog.set_level(logging.INFO, "hive.chain")
    send(anvil, "1")
    anvil.stop()
    for _ in range(3):
        assert watch_chain() == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    anvil.start()
    anvil.grow(FINALITY)
    assert purse.available_glm == 1
    assert caplog.records[-1].message == "the chain answers again"


def test_it_refuses_a_node_of_another_chain(anvil, settings, caplog):
    settings.HIVE_CHAIN_ID = 1
    assert watch_chain() == 0
    assert "speaks for chain 31337, HIVE_CHAIN_ID is 1" in caplog.text


def test_it_does_nothing_without_a_token(anvil, settings):
    settings.HIVE_GLM_TOKEN = ""
    assert watch_chain() == 0
    assert not ChainBlock.objects.exists()


def test_it_registers_a_wallet_for_one_team(team, other_team):
    assert register_wallet(team, WALLET.address) == register_wallet(team, WALLET.address.lower())
    with pytest.raises(WalletTaken):
        register_wallet(other_team, WALLET.address)


def test_it_finds_the_token_that_is_there(anvil):
    assert DevelopmentGlm(anvil.url).deploy() == anvil.token


def raw_transaction(anvil, tx_hash):
    return anvil.ask("eth_getRawTransactionByHash", tx_hash)


def test_a_node_that_falls_behind_is_no_reorganisation(anvil, purse, settings, caplog):
    """The only one, or another than was asked before: it does not have yet what was read."""
    late = FaultyNode(anvil.url)
    settings.HIVE_RPC_URL = late.url
    send(anvil, 1)
    anvil.grow(CONFIRMATIONS)
    late.fault = lags(3)
    watch_chain()
    assert (states(), purse.available_glm) == ([ChainTransferState.CONFIRMED], 1)
    late.fault = honest
    anvil.grow(1)
    assert (states(), purse.available_glm) == ([ChainTransferState.CONFIRMED], 1)
    assert "reorganised" not in caplog.text
    late.die()


def test_a_node_that_knows_no_block_which_was_read_before_undoes_nothing(anvil, purse, settings, caplog):
    """Its height is another's, or it lost its mind: the next tick asks again."""
    late = FaultyNode(anvil.url)
    settings.HIVE_RPC_URL = late.url
    send(anvil, 1)
    anvil.grow(CONFIRMATIONS)
    late.fault = lies_about("eth_getBlockByNumber", lambda block: None)
    watch_chain()
    assert "which was read before" in caplog.text
    assert (states(), purse.available_glm) == ([ChainTransferState.CONFIRMED], 1)
    late.die()
