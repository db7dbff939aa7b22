"""A node answers what can't be: too large to keep, about something else, of another chain from now on."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from eth_account import Account

from apps.billing.chain import answers
from apps.billing.chain.rpc import ChainRefused, ChainUnreachable
from apps.billing.chain.watcher import watch_chain
from apps.billing.ledger.posting import check_ledger, ledger_sum
from apps.billing.models import (
    ChainNode,
    ChainTransfer,
    ChainTransferState,
    Payment,
    PaymentState,
    Transaction,
)
from apps.billing.treasury.settlement import pay_providers
from apps.billing.wallets.proving import register_wallet
from apps.nodes.queen import queen_address
from tests.billing.chain_of_tests import CONFIRMATIONS
from tests.billing.faulty_nodes import Fault, FaultyNode, honest, lies_about, three
from tests.billing.treasury_of_tests import NOTHING, filled_budget, look_again, settled

__all__ = ["three"]

pytestmark = [pytest.mark.real, pytest.mark.django_db, pytest.mark.needs("chain")]

TOKEN, TX = "0x" + "12" * 20, "0x" + "34" * 32
LOG = {
    "address": TOKEN,
    "topics": [answers.TRANSFER_TOPIC, "0x" + "00" * 12 + "ab" * 20, "0x" + "00" * 12 + "cd" * 20],
    "data": "0x" + "00" * 31 + "01",
    "blockNumber": "0x7",
    "blockHash": "0x" + "56" * 32,
    "transactionHash": TX,
    "logIndex": "0x0",
}
RECEIPT = {
    "transactionHash": TX,
    "blockHash": "0x" + "56" * 32,
    "blockNumber": "0x7",
    "status": "0x1",
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x1",
}
BLOCK = {"number": "0x7", "hash": "0x" + "56" * 32, "parentHash": "0x" + "55" * 32}
read_logs = partial(answers.transfers, token=TOKEN, blocks=range(5, 10))
read_receipt = partial(answers.receipt, of=TX)
read_block = partial(answers.block, at=7)


@pytest.fixture
def alone(anvil, settings):
    node = FaultyNode(anvil.url)
    settings.HIVE_RPC_URL = node.url
    yield node
    node.die()
    assert (ledger_sum(), check_ledger()) == (0, [])


@pytest.fixture
def budget(team, anvil):
    return filled_budget(team, anvil)


@pytest.mark.parametrize("read", [answers.number, answers.count, answers.amount])
@pytest.mark.parametrize(
    "answer",
    [None, True, 7, [], {}, "", "0x", "7", "-0x1", "0x-1", "0x_1", " 0x1", "0x٣", "0x" + "f" * 65],
)
def test_it_reads_no_number_that_is_none(read, answer):
    with pytest.raises(answers.UNREADABLE):
        read(answer)


@pytest.mark.parametrize(
    ("read", "told", "other"),
    [
        (read_block, BLOCK, {"number": "0x8"}),
        (read_block, BLOCK, {"number": hex(2**63)}),
        (read_block, BLOCK, {"hash": "0x" + "\0" * 64}),
        (read_receipt, RECEIPT, {"transactionHash": "0x" + "35" * 32}),
        (read_receipt, RECEIPT, {"blockNumber": hex(2**63)}),
        (read_receipt, RECEIPT, {"gasUsed": hex(2**32)}),
        (read_receipt, RECEIPT, {"effectiveGasPrice": hex(2**60)}),
        (read_logs, LOG, {"address": "0x" + "13" * 20}),
        (read_logs, LOG, {"topics": ["0x" + "77" * 32, *LOG["topics"][1:]]}),
        (read_logs, LOG, {"topics": [LOG["topics"][0], "0x" + "\0" * 64, LOG["topics"][2]]}),
        (read_logs, LOG, {"logIndex": hex(2**31)}),
        (read_logs, LOG, {"blockNumber": "0xa"}),
        (read_logs, LOG, {"blockNumber": "0x4"}),
    ],
)
def test_it_reads_nothing_that_is_about_something_else_or_can_not_be_kept(read, told, other):
    given: Callable[[Any], Any] = (lambda each: [each]) if read is read_logs else (lambda each: each)
    assert read(given(told))
    with pytest.raises(answers.UNREADABLE):
        read(given(told | other))


def test_it_reads_hashes_in_any_case_as_one():
    shouted = {"transactionHash": "0x" + TX[2:].upper(), "blockHash": "0x" + "AB" * 32}
    [found] = read_logs([LOG | shouted | {"blockHash": "0x" + "AB" * 32}])
    assert (found.tx_hash, found.block_hash) == (TX, "0x" + "ab" * 32)
    assert answers.transfers([], token=TOKEN, blocks=range(1)) == []


def test_it_claims_no_transfer_of_a_block_that_is_gone():
    assert read_logs([LOG | {"removed": True}]) == []
    assert len(read_logs([LOG | {"removed": False}])) == 1


@pytest.mark.parametrize("kind", [ChainUnreachable, ChainRefused])
def test_what_a_node_says_can_be_written_down(kind):
    assert str(kind("no\0 such\x1b[31m\nmethod")) == "no� such�[31m�method"


@pytest.mark.parametrize("answer", [hex(2**63), hex(2**256), "0x\0", "0x" + "f" * 5000])
def test_one_of_three_that_says_an_impossible_height_stops_nothing(anvil, three, answer):
    three[0].fault = lies_about("eth_blockNumber", lambda height: answer)
    assert watch_chain() > 0
    assert ChainNode.objects.get(name=three[0].name).reason.startswith(
        f"{three[0].name}: eth_blockNumber: it"
    )


@pytest.mark.parametrize(
    ("method", "twist"),
    [
        ("eth_blockNumber", lambda height: hex(2**63)),
        ("eth_getBlockByNumber", lambda block: block and {**block, "number": "0x0"}),
        ("eth_getBlockByNumber", lambda block: block and {**block, "number": hex(2**63)}),
        ("eth_getLogs", lambda logs: [{**log, "logIndex": hex(2**40)} for log in logs]),
        ("eth_getTransactionReceipt", lambda receipt: receipt and {**receipt, "gasUsed": hex(2**200)}),
        (
            "eth_getTransactionReceipt",
            lambda receipt: receipt and {**receipt, "transactionHash": TX, "status": "0x0"},
        ),
    ],
)
def test_the_only_one_delays_what_is_paid_and_no_more(anvil, owed, node, alone, method, twist):
    pay_providers(minimum_glm=NOTHING)
    alone.fault = lies_about(method, twist)
    anvil.mine(1)
    look_again()
    alone.fault = honest
    settled(anvil, node)


# -- another chain ----------------------------------------------------------------------------------------


def speaks_for_another_chain(after: int) -> Fault:
    """It has the same height, other blocks, and nothing of ours: from so many questions on."""
    left = after
    theirs: dict[str, Callable[[Any], Any]] = {
        "eth_chainId": lambda _: "0x1",
        "eth_getBlockByNumber": lambda block: block and {**block, "hash": "0x" + "66" * 32},
        "eth_getLogs": lambda _: [],
        "eth_getTransactionReceipt": lambda _: None,
        "eth_getTransactionCount": lambda _: "0x63",
        "eth_sendRawTransaction": lambda _: None,
    }

    def fault(request: dict[str, Any], ask: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        nonlocal left
        left -= 1
        if left >= 0 or request["method"] not in theirs:
            return ask(request)
        if request["method"] == "eth_sendRawTransaction":
            return {"jsonrpc": "2.0", "id": request["id"], "error": {"message": "nonce too low"}}
        return {
            "jsonrpc": "2.0",
            "id": request["id"],
            "result": theirs[request["method"]](ask(request)["result"]),
        }

    return fault


def test_nothing_is_undone_when_the_node_speaks_for_another_chain_from_now_on(anvil, team, alone, caplog):
    wallet = Account.from_key("0x" + "77" * 32)
    purse = register_wallet(team, wallet.address).budget
    anvil.glm.deposit(wallet, queen_address(), Decimal(1))
    anvil.grow(CONFIRMATIONS)
    watch_chain()
    for after in range(8):
        alone.fault = speaks_for_another_chain(after)
        watch_chain()
        assert purse.available_glm == 1, after
        alone.fault = honest
        anvil.mine(1)
        watch_chain()
        assert ChainTransfer.objects.get().state != ChainTransferState.REVERTED, after
    assert "speaks for chain 1, HIVE_CHAIN_ID is 31337" in caplog.text


def test_nobody_is_paid_again_when_the_node_speaks_for_another_chain_from_now_on(anvil, owed, node, alone):
    anvil.ask("evm_setAutomine", False)
    pay_providers(minimum_glm=NOTHING)
    for after in range(20):
        alone.fault = speaks_for_another_chain(after)
        look_again()
        assert Payment.objects.get().state != PaymentState.FAILED, after
        alone.fault = honest
        look_again()
    assert Transaction.objects.count() == 1
    anvil.ask("evm_setAutomine", True)
    settled(anvil, node)
