"""Several JSON-RPC nodes before one real anvil: they die, lag, lie and refuse, and the books stay right."""

import logging
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from eth_account import Account

from apps.billing.chain import rpc, watcher
from apps.billing.chain.client import chain
from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.rpc import ChainRefused, ChainUnreachable, without_keys
from apps.billing.chain.watcher import watch_chain
from apps.billing.models import ChainBlock, ChainNode, ChainNodeState, ChainTransfer, ChainTransferState
from apps.billing.wallets.proving import register_wallet
from apps.nodes.queen import queen_address
from apps.teams.models import AuditLine
from hive_portal.standing import figures
from tests.billing.chain_of_tests import CONFIRMATIONS, FINALITY
from tests.billing.faulty_nodes import (
    OTHER_HASH,
    honest,
    lags,
    lies_about,
    other_hash,
    refuses_more_than,
    three,
)

__all__ = ["three"]

pytestmark = [pytest.mark.django_db, pytest.mark.needs("chain"), pytest.mark.usefixtures("books_add_up")]

WALLET = Account.from_key("0x" + "77" * 32)


@pytest.fixture
def purse(team):
    return register_wallet(team, WALLET.address).budget


def deposit(anvil, amount="1"):
    return anvil.glm.deposit(WALLET, queen_address(), Decimal(amount))


def state_of(node):
    row = ChainNode.objects.get(name=node.name)
    return row.state, row.reason


def lines_about(node):
    row = ChainNode.objects.get(name=node.name)
    lines = AuditLine.objects.filter(noun="chainnode", noun_id=row.pk).order_by("id")
    return list(lines.values_list("after", flat=True))


def try_all_now():
    """As if the time had passed after which nodes are examined, those left out too."""
    long_ago = timezone.now() - timedelta(days=2)
    ChainNode.objects.update(examined_at=long_ago)
    ChainNode.objects.filter(state="left_out").update(retry_at=long_ago)


def test_it_goes_on_when_one_dies_and_takes_it_back(anvil, three, purse, caplog):
    caplog.set_level(logging.INFO, "hive.chain")
    dead = three[0]
    watch_chain()
    dead.die()
    deposit(anvil)
    anvil.grow(FINALITY)
    anvil.grow(1)
    assert purse.available_glm == 1
    state, reason = state_of(dead)
    assert (state, dead.name in reason) == (ChainNodeState.LEFT_OUT, True)
    assert [figure.fine for figure in figures() if figure.title == "Chain nodes"] == [False]
    dead.live_again()
    try_all_now()
    anvil.grow(1)
    assert state_of(dead)[0] == ChainNodeState.WELL
    assert lines_about(dead) == [ChainNodeState.LEFT_OUT, ChainNodeState.WELL]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_it_waits_where_too_few_are_left_to_agree_and_loses_nothing(anvil, three, purse, caplog):
    deposit(anvil)
    anvil.mine(FINALITY)
    for dead in three[1:]:
        dead.die()
    assert watch_chain() == 0
    assert not ChainBlock.objects.exists()
    assert "no 2 of them said the same" in caplog.text
    three[1].live_again()
    watch_chain()
    assert purse.available_glm == 1
    assert reconcile().agrees


def test_one_that_lags_holds_up_nobody_and_hides_nothing(anvil, three, purse, settings):
    """Asked first, it answers for blocks it does not have as if nothing were in them."""
    settings.HIVE_RPC_LAG_BLOCKS = 4
    late = three[0]
    late.fault = lags(4)
    deposit(anvil)
    anvil.grow(CONFIRMATIONS - 1)
    assert purse.available_glm == 1
    assert state_of(late)[0] == ChainNodeState.WELL
    late.fault = lags(5)
    try_all_now()
    anvil.grow(1)
    assert state_of(late) == (ChainNodeState.LEFT_OUT, "it is 5 blocks behind the others")
    late.fault = honest
    try_all_now()
    watch_chain()
    assert state_of(late)[0] == ChainNodeState.WELL


def test_it_believes_no_other_block_than_most_have(anvil, three, purse):
    liar = three[0]
    liar.fault = lies_about("eth_getBlockByNumber", other_hash)
    deposit(anvil)
    anvil.grow(FINALITY)
    assert purse.available_glm == 1
    assert not ChainBlock.objects.filter(hash=OTHER_HASH).exists()
    state, reason = state_of(liar)
    assert (state, "has another block" in reason) == (ChainNodeState.LEFT_OUT, True)
    assert ChainNode.objects.get(name=liar.name).retry_at > timezone.now() + timedelta(minutes=9)


@pytest.mark.parametrize(
    "twist",
    [
        lambda logs: [],
        lambda logs: [{**log, "data": hex(10**24)} for log in logs],
        lambda logs: [{**log, "blockHash": OTHER_HASH} for log in logs],
        lambda logs: [*logs, *({**log, "transactionHash": OTHER_HASH} for log in logs)],
    ],
    ids=["hidden", "inflated", "in another block", "invented"],
)
def test_it_believes_no_other_transfers_than_most_have(anvil, three, purse, twist):
    liar = three[0]
    liar.fault = lies_about("eth_getLogs", twist)
    deposit(anvil)
    watch_chain()
    anvil.grow(FINALITY)
    assert (purse.available_glm, ChainTransfer.objects.count()) == (1, 1)
    contradicted = "it contradicts the others about blocks that it has as they do"
    assert state_of(liar) == (ChainNodeState.LEFT_OUT, contradicted)
    assert reconcile().agrees


def test_two_that_differ_move_no_money(anvil, three, purse, settings, caplog):
    settings.HIVE_RPC_URL = ",".join(node.url for node in three[:2])
    three[1].fault = lies_about("eth_getLogs", lambda logs: [])
    deposit(anvil)
    anvil.grow(FINALITY)
    assert (purse.available_glm, ChainBlock.objects.count()) == (0, 0)
    assert "2 answered and no 2 of them said the same" in caplog.text
    settings.HIVE_RPC_QUORUM = 1
    anvil.grow(FINALITY)
    assert purse.available_glm == 1


def test_it_fails_no_payment_on_the_word_of_one(anvil, three, settings):
    """That a transaction failed, or that its nonce is gone, pays an amount a second time if it is a lie."""
    liar = three[0]
    tx_hash = deposit(anvil)
    anvil.mine(FINALITY)
    assert chain().receipt(tx_hash).succeeded
    liar.fault = lies_about("eth_getTransactionReceipt", lambda found: {**found, "status": "0x0"})
    assert chain().receipt(tx_hash).succeeded
    liar.fault = lies_about("eth_getTransactionReceipt", lambda found: None)
    assert chain().receipt(tx_hash).succeeded
    sent = chain().nonce(WALLET.address, block=1 + FINALITY)
    liar.fault = lies_about("eth_getTransactionCount", lambda count: hex(1000))
    assert chain().nonce(WALLET.address, block=1 + FINALITY) == sent
    liar.fault = lies_about("eth_call", lambda balance: hex(10**24))
    assert chain().balance_glm(queen_address()) == 1


def test_it_sends_to_all_and_is_content_when_one_takes_it(anvil, three):
    def refuses(request, ask):
        return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "nonce too low"}}

    raw = anvil.ask("eth_getRawTransactionByHash", deposit(anvil))
    anvil.reorganise(1)
    three[0].fault = three[2].fault = refuses
    chain().send(raw)
    assert [node.asked.count("eth_sendRawTransaction") for node in three[1:2]] == [1]
    three[1].fault = refuses
    three[2].die()
    with pytest.raises(ChainRefused, match="nonce too low"):
        chain().send(raw)
    three[2].live_again()


def test_it_asks_in_halves_what_a_node_refuses_at_once(anvil, three, purse, settings, monkeypatch):
    settings.HIVE_RPC_URL = three[0].url
    three[0].fault = refuses_more_than(logs=2, blocks=10)
    for _ in range(7):
        deposit(anvil)
    anvil.mine(60)
    watch_chain()
    assert ChainTransfer.objects.filter(state=ChainTransferState.FINAL).count() == 7
    assert purse.available_glm == 7


def test_it_says_so_when_one_block_alone_is_more_than_a_node_gives(anvil, three, settings):
    settings.HIVE_RPC_URL = three[0].url
    deposit(anvil)
    three[0].fault = refuses_more_than(logs=0, blocks=10)
    with pytest.raises(ChainRefused, match="more than 0 results"):
        chain().transfers_of(queen_address(), first=0, last=chain().height())


def refuse(answers):
    return {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "batches are not supported"}}


def turn_round(answers):
    return answers[::-1]


@pytest.mark.parametrize("together", [refuse, turn_round])
def test_it_asks_one_by_one_whoever_takes_no_batches_and_minds_no_order(anvil, three, together):
    for node in three:
        node.together = together
    anvil.mine(rpc.BATCH + 50)
    height = chain().height()
    blocks = chain().blocks(0, height)
    assert [block.number for block in blocks] == list(range(height + 1))
    assert [block.parent_hash for block in blocks[1:]] == [block.hash for block in blocks[:-1]]


def test_it_leaves_out_whoever_answers_fewer_questions_than_it_was_asked(anvil, three, purse):
    three[0].together = lambda answers: answers[1:]
    deposit(anvil)
    anvil.grow(5)
    assert purse.available_glm == 1
    state, reason = state_of(three[0])
    assert state == ChainNodeState.LEFT_OUT
    assert "answers to" in reason


def test_it_refills_what_it_missed_while_it_was_down(anvil, three, purse, monkeypatch):
    """Down for many batches, with deposits in several and one node that lost its mind meanwhile."""
    monkeypatch.setattr(watcher, "BATCH_BLOCKS", 11)
    monkeypatch.setattr(watcher, "BATCHES_A_TICK", 2)
    watch_chain()
    for _ in range(4):
        deposit(anvil)
        anvil.mine(23)
    three[1].fault = lies_about("eth_getLogs", lambda logs: [])
    while watch_chain():
        pass
    assert purse.available_glm == 4
    assert ChainTransfer.objects.count() == 4
    assert reconcile().agrees


def test_it_retires_a_node_that_is_no_longer_named(anvil, three, settings):
    watch_chain()
    settings.HIVE_RPC_URL = three[0].url
    watch_chain()
    assert state_of(three[1]) == (ChainNodeState.RETIRED, "HIVE_RPC_URL no longer names it")


def test_it_tells_nobody_the_keys_in_addresses(anvil, three, caplog):
    watch_chain()
    for node in three:
        node.die()
    watch_chain()
    with pytest.raises(ChainUnreachable) as trouble:
        chain().height()
    told = [str(trouble.value), caplog.text, *ChainNode.objects.values_list("reason", flat=True)]
    told += AuditLine.objects.values_list("reason", flat=True)
    assert not [text for text in told if "secret-key" in text]
    assert "127.0.0.1" in caplog.text
    for node in three:
        node.live_again()


def test_keys_are_cut_from_whatever_libraries_say():
    said = "HTTPSConnectionPool(host='a.example', port=443): Max retries exceeded with url: /v3/0abc?k=1 (x)"
    assert "0abc" not in without_keys(said)
    assert without_keys("for url: https://a.example/v3/0abc") == "for url: https://a.example/…"
