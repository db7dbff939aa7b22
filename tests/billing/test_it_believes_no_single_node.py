"""One of three nodes lies about what payments take, or answers nonsense: they go out as if it had not."""

import pytest

from apps.billing.chain.client import ChainUnreachable, chain
from apps.billing.chain.watcher import watch_chain
from apps.billing.models import Attempt, ChainNode, ChainNodeState, Payment, PaymentState
from apps.billing.treasury.paying import make_ready
from apps.billing.treasury.settlement import pay_providers
from tests.billing.chain_of_tests import FINALITY
from tests.billing.faulty_nodes import FaultyNode, honest, lies_about, three
from tests.billing.treasury_of_tests import NOTHING, filled_budget, look_again, settled

__all__ = ["three"]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.needs("chain"),
    pytest.mark.usefixtures("budget", "books_add_up"),
]


@pytest.fixture
def budget(team, anvil):
    return filled_budget(team, anvil)


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("eth_getTransactionCount", hex(1000)),
        ("eth_maxPriorityFeePerGas", hex(10**12)),
        ("eth_maxPriorityFeePerGas", None),
        ("eth_estimateGas", hex(10**9)),
        ("eth_estimateGas", hex(25_000)),
        ("eth_getBlockByNumber", {"baseFeePerGas": hex(10**15)}),
    ],
    ids=["nonce", "tip", "no tip", "much gas", "little gas", "base fee"],
)
def test_it_signs_what_it_would_have_signed_anyway(anvil, owed, node, three, method, answer):
    honestly = make_ready(chain(), recipient=node.id, amount_glm=owed)
    three[0].fault = lies_about(method, lambda result: answer)
    pay_providers(minimum_glm=NOTHING)
    [attempt] = Attempt.objects.all()
    assert (attempt.transaction.nonce, attempt.gas) == (0, honestly.gas)
    settled(anvil, node)


@pytest.mark.parametrize("answer", ["x", {}, [{}], None])
@pytest.mark.parametrize(
    "method",
    ["eth_blockNumber", "eth_getBlockByNumber", "eth_getLogs", "eth_getTransactionReceipt", "eth_call"],
)
def test_it_goes_on_with_the_others_when_one_answers_nonsense(anvil, owed, node, three, method, answer):
    three[0].fault = lies_about(method, lambda result: answer)
    pay_providers(minimum_glm=NOTHING)
    anvil.mine(FINALITY)
    look_again()
    assert Payment.objects.get().state == PaymentState.FINAL
    settled(anvil, node)


def test_it_leaves_out_whoever_answers_nonsense_and_says_what(anvil, three):
    three[0].fault = lies_about("eth_getBlockByNumber", lambda block: "gibberish")
    watch_chain()
    row = ChainNode.objects.get(name=three[0].name)
    assert row.state == ChainNodeState.LEFT_OUT
    assert row.reason == f"{three[0].name}: eth_getBlockByNumber: it makes no sense: gibberish"


@pytest.mark.parametrize("units", [10**9, 0])
def test_a_single_one_that_says_impossible_gas_is_not_believed(anvil, owed, node, settings, units):
    """Its transaction would be refused by every block, and stand before all later ones."""
    alone = FaultyNode(anvil.url, lies_about("eth_estimateGas", lambda gas: hex(units)))
    settings.HIVE_RPC_URL = alone.url
    assert pay_providers(minimum_glm=NOTHING) == []
    assert not Attempt.objects.exists()
    alone.fault = honest
    pay_providers(minimum_glm=NOTHING)
    settled(anvil, node)
    alone.die()


def test_nothing_is_signed_on_the_word_of_too_few(anvil, owed, three):
    for dead in three[1:]:
        dead.die()
    assert pay_providers(minimum_glm=NOTHING) == []
    with pytest.raises(ChainUnreachable):
        chain().fees()
    for dead in three[1:]:
        dead.live_again()
