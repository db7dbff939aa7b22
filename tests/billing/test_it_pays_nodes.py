"""Payouts on a real anvil: each exactly once, whatever is killed between any two steps."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from eth_utils.address import to_checksum_address

from apps.billing.chain.client import Chain, ChainRefused, ChainUnreachable
from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.watcher import watch_chain
from apps.billing.ledger.posting import (
    balance,
    house_account,
    payable_account,
)
from apps.billing.models import (
    AccountKind,
    DebitNote,
    Payment,
    PaymentState,
    Transaction,
    TransactionState,
    Transfer,
)
from apps.billing.treasury.sending import send_again
from apps.billing.treasury.settlement import pay_providers
from apps.money import to_wei
from apps.nodes.queen import queen_address, queen_key
from apps.teams.audit import Actor, AuditLine
from tests.billing.chain_of_tests import CONFIRMATIONS, FINALITY
from tests.billing.treasury_of_tests import (
    NOTHING,
    OWED,
    Killed,
    filled_budget,
    kill_at,
    owe,
    settled,
    unreachable,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.needs("chain"),
    pytest.mark.usefixtures("budget", "books_add_up"),
]


@pytest.fixture
def budget(team, anvil):
    return filled_budget(team, anvil)


def test_it_pays_what_is_owed_and_follows_it_to_the_end(anvil, owed, node):
    [payment] = pay_providers(minimum_glm=NOTHING)
    assert (payment.state, payment.amount, payment.recipient) == (PaymentState.SENT, OWED, node.id)
    assert balance(house_account(AccountKind.IN_FLIGHT)) == OWED
    assert DebitNote.objects.get().payment == payment
    watch_chain()
    anvil.grow(CONFIRMATIONS - 1)
    payment.refresh_from_db()
    assert (payment.state, payment.block_number is not None) == (PaymentState.CONFIRMED, True)
    assert reconcile().agrees
    settled(anvil, node)
    assert pay_providers(minimum_glm=NOTHING) == []


def test_it_waits_for_the_minimum(owed):
    assert pay_providers(minimum_glm=Decimal(1)) == []
    assert len(pay_providers(minimum_glm=OWED)) == 1


def test_it_pays_several_nodes_in_one_go(anvil, owed, hold, node, make_node):
    other = make_node()
    owe(hold, other, "0.5")
    payments = pay_providers(minimum_glm=NOTHING)
    assert sorted(payment.transaction.nonce for payment in payments) == [0, 1]
    anvil.grow(FINALITY)
    assert (anvil.glm_of(node.id), anvil.glm_of(other.id)) == (OWED, Decimal("0.5"))


def test_it_numbers_on_from_payments_that_wait_to_be_sent(anvil, owed, hold, make_node, monkeypatch):
    """The chain knows nothing of them yet; the database does."""
    other = make_node()
    owe(hold, other, "0.5")
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", unreachable)
        payments = pay_providers(minimum_glm=NOTHING)
    assert sorted(payment.transaction.nonce for payment in payments) == [0, 1]
    Transaction.objects.update(retry_at=timezone.now())
    watch_chain()
    anvil.grow(FINALITY)
    assert anvil.glm_of(other.id) == Decimal("0.5")


@pytest.mark.parametrize("step", ["before the transaction", "after the transaction", "after sending"])
def test_it_pays_once_though_killed(anvil, owed, node, monkeypatch, step):
    with monkeypatch.context() as patch:
        kill_at(step, patch)
        with pytest.raises(Killed):
            pay_providers(minimum_glm=NOTHING)
    pay_providers(minimum_glm=NOTHING)
    settled(anvil, node)


def test_it_sends_again_what_the_node_did_not_take(anvil, owed, node, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", unreachable)
        [payment] = pay_providers(minimum_glm=NOTHING)
    assert payment.state == PaymentState.SIGNED
    assert pay_providers(minimum_glm=NOTHING) == []  # the money is in flight
    settled(anvil, node)


def test_it_sends_again_when_the_payments_block_is_gone(anvil, owed, node):
    [payment] = pay_providers(minimum_glm=NOTHING)
    anvil.grow(CONFIRMATIONS - 1)
    anvil.reorganise(CONFIRMATIONS)
    assert anvil.glm_of(node.id) == 0
    watch_chain()  # undoes and sends again
    payment.refresh_from_db()
    assert (payment.state, payment.block_number) == (PaymentState.SENT, None)
    settled(anvil, node)
    assert payment.chain_transfers.filter(state="reverted").count() == 1


def test_it_pays_again_when_the_nonce_was_taken(anvil, owed, node, monkeypatch):
    """Somebody else used the treasury's key: the stored transaction can never happen."""
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", unreachable)
        [payment] = pay_providers(minimum_glm=NOTHING)
    use_nonce(anvil)
    anvil.mine(FINALITY)
    Transaction.objects.update(retry_at=timezone.now())
    watch_chain()
    payment.refresh_from_db()
    assert payment.state == PaymentState.FAILED
    assert balance(payable_account(node)) == OWED
    pay_providers(minimum_glm=NOTHING)
    settled(anvil, node)


def use_nonce(anvil):
    """A transaction of the treasury over nothing, outside the Hive's books."""
    unsigned = {
        "chainId": 31337,
        "nonce": 0,
        "to": "0x" + "11" * 20,
        "value": 0,
        "gas": 21_000,
        "gasPrice": 10**10,
    }
    raw = queen_key().sign_transaction(unsigned).raw_transaction
    anvil.ask("eth_sendRawTransaction", "0x" + bytes(raw).hex())


def test_it_leaves_a_node_for_later_when_the_treasury_lacks_glm(anvil, owed, hold, make_node, caplog):
    send_away(anvil, "10")
    assert pay_providers(minimum_glm=NOTHING) == []
    assert "GLM are not paid to" in caplog.text
    assert not Payment.objects.exists()
    assert not reconcile().agrees  # GLM left the treasury that the ledger knows nothing of
    assert balance(payable_account(hold.agreement.node)) == OWED


def send_away(anvil, amount):
    anvil.ask("anvil_impersonateAccount", queen_address())
    stranger, treasury = to_checksum_address("0x" + "22" * 20), to_checksum_address(queen_address())
    anvil.glm.token.functions.transfer(stranger, to_wei(Decimal(amount))).transact({"from": treasury})
    anvil.grow(FINALITY)


def test_it_never_settles_a_payment_twice(anvil, owed, node):
    pay_providers(minimum_glm=NOTHING)
    payment = settled(anvil, node)
    anvil.grow(3)
    assert Transfer.objects.filter(key=f"settlement:{payment.id}").count() == 1
    assert payment.state_since < timezone.now() + timedelta(seconds=1)


def test_it_pays_the_others_when_one_was_moved_meanwhile(anvil, owed, hold, node, make_node, monkeypatch):
    """A block has the first payment, and the watcher says so, before it was noted as sent."""
    owe(hold, make_node(), Decimal("0.1"))
    send = Chain.send

    def send_and_confirm(chain, raw):
        monkeypatch.setattr(Chain, "send", send)
        send(chain, raw)
        Transaction.objects.filter(attempts__raw=raw).update(state=TransactionState.CONFIRMED)

    monkeypatch.setattr(Chain, "send", send_and_confirm)

    assert len(pay_providers(minimum_glm=NOTHING)) == 2

    assert sorted(Transaction.objects.values_list("state", flat=True)) == ["confirmed", "sent"]


def test_it_pays_the_others_when_the_chain_falls_silent_after_a_refusal(
    anvil, owed, hold, make_node, monkeypatch, caplog
):
    owe(hold, make_node(), Decimal("0.1"))
    send = Chain.send

    def refuse_and_fall_silent(chain, raw):
        monkeypatch.setattr(Chain, "send", send)
        monkeypatch.setattr(Chain, "height", fall_silent_once)
        raise ChainRefused("nonce too low")

    def fall_silent_once(chain):
        monkeypatch.undo()
        raise ChainUnreachable("gone")

    monkeypatch.setattr(Chain, "send", refuse_and_fall_silent)

    assert len(pay_providers(minimum_glm=NOTHING)) == 2

    assert sorted(Payment.objects.values_list("state", flat=True)) == ["sent", "signed"]
    assert "not sent, looked at again in 15 s: gone" in caplog.text


@pytest.mark.parametrize("trouble", [ChainUnreachable("gone"), ChainRefused("fee too low")])
def test_it_tells_the_operator_why_it_was_not_sent(anvil, owed, monkeypatch, trouble):
    def refuse(chain, raw):
        raise trouble

    monkeypatch.setattr(Chain, "send", refuse)
    [payment] = pay_providers(minimum_glm=NOTHING)
    with pytest.raises(ValueError, match=f"not sent: {trouble}"):
        send_again(payment.transaction, actor=Actor("user", "otto"), reason="asked for")
    assert payment.state == PaymentState.SIGNED


def test_it_sends_again_for_the_operator_and_writes_it_down(anvil, owed, node, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", unreachable)
        [payment] = pay_providers(minimum_glm=NOTHING)
    send_again(payment.transaction, actor=Actor("user", "otto"), reason="asked for")
    payment.refresh_from_db()
    assert payment.state == PaymentState.SENT
    line = AuditLine.objects.get(noun="transaction", actor="user:otto")
    assert (line.before, line.after, line.reason) == ("signed", "send again", "asked for")
    settled(anvil, node)
