"""Transactions that no block takes, on a real anvil: signed again for more, and paid once whichever wins."""

from decimal import Decimal

import pytest

from apps.billing.chain.client import Chain, ChainRefused, ChainUnreachable, chain
from apps.billing.models import Attempt, Payment, PaymentState, Transaction, TransactionState
from apps.billing.treasury import sending
from apps.billing.treasury.approving import approve_payment
from apps.billing.treasury.sending import replace_now
from apps.billing.treasury.settlement import dispatch_ready, pay_providers
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import User
from tests.billing.chain_of_tests import FINALITY
from tests.billing.treasury_of_tests import (
    NOTHING,
    OWED,
    Killed,
    filled_budget,
    look_again,
    operator,
    owe,
    settled,
    unreachable,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.needs("chain"),
    pytest.mark.usefixtures("budget", "books_add_up"),
]

OTTO = Actor("user", "otto")


@pytest.fixture
def budget(team, anvil):
    return filled_budget(team, anvil)


@pytest.fixture
def impatient(settings):
    """What no block took is replaced as soon as it is looked at."""
    settings.HIVE_REPLACE_AFTER_S = 0


@pytest.fixture
def stuck(anvil, owed, impatient):
    """A payment in a chain that makes no blocks."""
    anvil.ask("evm_setAutomine", False)
    [payment] = pay_providers(minimum_glm=NOTHING)
    return payment.transaction


def offers() -> list[int]:
    return [attempt.max_fee_wei for attempt in Attempt.objects.order_by("number")]


def mine(anvil):
    """Blocks again, one after the other."""
    anvil.ask("evm_setAutomine", True)
    anvil.mine(1)


def test_it_offers_more_until_a_block_takes_it(anvil, stuck, node):
    look_again()
    look_again()
    first, *later = offers()
    assert len(later) >= 2
    assert all(8 * after > 9 * before for before, after in zip([first, *later], later, strict=False))
    mine(anvil)
    payment = settled(anvil, node)
    assert payment.tx_hash == Attempt.objects.order_by("-number")[0].tx_hash
    assert "signed again" in AuditLine.objects.filter(noun="transaction").values_list("after", flat=True)


def test_it_follows_the_first_attempt_when_that_one_wins(anvil, stuck, node, monkeypatch):
    first, send = Attempt.objects.order_by("number")[0], Chain.send

    def lose_the_others(chain, raw):
        return (send if raw == first.raw else unreachable)(chain, raw)

    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", lose_the_others)
        look_again()
    assert Attempt.objects.count() > 1
    assert Transaction.objects.get().tx_hash != first.tx_hash
    if Attempt.objects.filter(number=2).exists():
        anvil.ask("anvil_dropAllTransactions")
        anvil.ask("eth_sendRawTransaction", first.raw)
    mine(anvil)
    assert settled(anvil, node).tx_hash == first.tx_hash


def test_it_is_paid_once_when_another_attempt_wins_after_a_reorganisation(anvil, stuck, node):
    first = Attempt.objects.order_by("number")[0]
    look_again()
    mine(anvil)
    anvil.grow(1)
    payment = Payment.objects.get()
    assert payment.tx_hash != first.tx_hash
    anvil.ask("evm_setAutomine", False)
    anvil.reorganise(4)
    anvil.ask("anvil_dropAllTransactions")
    anvil.ask("eth_sendRawTransaction", first.raw)
    anvil.mine(1)
    mine(anvil)
    assert settled(anvil, node).tx_hash == first.tx_hash
    states = payment.chain_transfers.values_list("state", flat=True)
    assert sorted(states) == ["final", "reverted"]


def test_it_replaces_what_offers_less_than_the_base_fee(anvil, owed, node, settings):
    settings.HIVE_REPLACE_AFTER_S = 3600
    anvil.ask("evm_setAutomine", False)
    [payment] = pay_providers(minimum_glm=NOTHING)
    too_much = payment.transaction.newest.max_fee_wei * 2
    anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(too_much))
    anvil.mine(1)
    look_again()
    assert Attempt.objects.count() == 1, "it has its time first"
    settings.HIVE_REPLACE_AFTER_S = 0
    look_again()
    assert offers()[-1] > too_much
    mine(anvil)
    settled(anvil, node)


@pytest.mark.parametrize(
    "words", ["transaction underpriced: gas tip cap", "FeeTooLow, EffectivePriorityFeePerGas"]
)
def test_it_replaces_what_nodes_refuse_for_its_fee(anvil, owed, node, impatient, monkeypatch, words):
    """Polygon's ask for a tip of 25 gwei: what offers less is never kept, so it never waits in any block."""
    send = Chain.send

    def picky(chain, raw):
        if Attempt.objects.get(raw=raw).tip_wei < asked:
            raise ChainRefused(f"eth_sendRawTransaction: {words}")
        send(chain, raw)

    with monkeypatch.context() as patch:
        asked = float("inf")
        patch.setattr(Chain, "send", picky)
        pay_providers(minimum_glm=NOTHING)
        first = Attempt.objects.order_by("number")[0]
        assert Transaction.objects.get().state == TransactionState.SIGNED
        asked = first.tip_wei + 1
        look_again()
    assert Transaction.objects.get().state == TransactionState.SENT
    assert settled(anvil, node).tx_hash != first.tx_hash


def test_it_never_offers_more_than_the_limit(anvil, owed, node, settings, impatient):
    settings.HIVE_MAX_FEE_GWEI = Decimal(4)
    anvil.ask("evm_setAutomine", False)
    pay_providers(minimum_glm=NOTHING)
    for _ in range(12):
        look_again()
    waiting = Transaction.objects.get()
    assert max(offers()) <= 4 * 10**9
    limits = "HIVE_MAX_FEE_GWEI (4) or HIVE_MAX_TIP_GWEI (100)"
    assert waiting.reason == f"waits for fees to fall: more than {limits} is asked"
    assert waiting.state == TransactionState.SENT
    mine(anvil)
    settled(anvil, node)


def test_it_leaves_alone_what_only_waits_for_an_earlier_one(anvil, stuck, hold, make_node):
    owe(hold, make_node(), "0.5")
    pay_providers(minimum_glm=NOTHING)
    look_again()
    by_nonce = {each.nonce: each.attempts.count() for each in Transaction.objects.all()}
    assert by_nonce[0] > 1
    assert by_nonce[1] == 1


@pytest.mark.parametrize("step", ["before it is stored", "before it is sent", "after it is sent"])
def test_it_pays_once_though_killed_while_it_replaces(anvil, stuck, node, monkeypatch, step):
    send, first = Chain.send, stuck.newest.raw

    def die(*args, **kwargs):
        raise Killed

    def only_later(deed):
        return lambda chain, raw: (send if raw == first else deed)(chain, raw)

    def send_and_die(chain, raw):
        send(chain, raw)
        raise Killed

    with monkeypatch.context() as patch:
        if step == "before it is stored":
            patch.setattr("apps.billing.treasury.replacing.store_attempt", die)
        else:
            patch.setattr(Chain, "send", only_later(die if step == "before it is sent" else send_and_die))
        with pytest.raises(Killed):
            look_again()
    mine(anvil)
    settled(anvil, node)


def test_it_replaces_for_the_operator_at_once(anvil, owed, node, settings):
    settings.HIVE_REPLACE_AFTER_S = 3600
    anvil.ask("evm_setAutomine", False)
    [payment] = pay_providers(minimum_glm=NOTHING)
    replace_now(payment.transaction, actor=OTTO, reason="asked for")
    assert Attempt.objects.count() == 2
    assert AuditLine.objects.filter(noun="transaction", actor="user:otto", after="signed again").count() == 1
    mine(anvil)
    with pytest.raises(ValueError, match="a block has it"):
        replace_now(payment.transaction, actor=OTTO, reason="asked for")
    settled(anvil, node)


def test_the_operator_is_told_when_the_chain_is_silent(anvil, owed, monkeypatch):
    def silent(*args):
        raise ChainUnreachable("gone")

    [payment] = pay_providers(minimum_glm=NOTHING)
    monkeypatch.setattr(sending, "mined_attempt", silent)
    with pytest.raises(ValueError, match="not sent: gone"):
        replace_now(payment.transaction, actor=OTTO, reason="asked for")
    assert Attempt.objects.count() == 1
    assert Payment.objects.get().state == PaymentState.SENT


def test_it_replaces_nothing_that_is_final(anvil, owed, node, impatient):
    pay_providers(minimum_glm=NOTHING)
    settled(anvil, node)
    anvil.grow(FINALITY)
    assert Attempt.objects.count() == 1


def test_it_replaces_what_two_approved_though_one_has_left(anvil, owed, node, settings, impatient):
    """Their words counted when it was signed; while it is stuck, so is every later payment."""
    settings.HIVE_APPROVAL_ABOVE_GLM = OWED / 2
    anvil.ask("evm_setAutomine", False)
    [payment] = pay_providers(minimum_glm=NOTHING)
    for actor in (operator("ada"), operator("bob")):
        approve_payment(payment, actor=actor, reason="seen")
    dispatch_ready(chain())
    User.objects.filter(username="bob").update(is_active=False)
    look_again()
    assert Attempt.objects.count() > 1
    mine(anvil)
    settled(anvil, node)


def test_it_replaces_what_is_large_by_now(anvil, stuck, node, settings):
    settings.HIVE_APPROVAL_ABOVE_GLM = OWED / 2
    look_again()
    assert Attempt.objects.count() > 1
    mine(anvil)
    settled(anvil, node)


def test_it_signs_no_other_wallets_transaction_again(stuck, settings):
    """The same nonce of another treasury is another nonce: both would be paid."""
    settings.HIVE_TREASURY = "0x" + "13" * 20
    with pytest.raises(ValueError, match="both could happen"):
        replace_now(stuck, actor=OTTO, reason="asked for")
    assert Attempt.objects.count() == 1
