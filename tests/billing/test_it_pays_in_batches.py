"""Many nodes paid by one transaction, through the MultiTransfer contract on a real anvil."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from eth_utils.crypto import keccak

from apps.billing.chain.calls import Line, direct_call, indirect_call
from apps.billing.chain.client import Chain, ChainRefused, chain
from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.watcher import watch_chain
from apps.billing.ledger.posting import balance, house_account, payable_account
from apps.billing.models import (
    AccountKind,
    Attempt,
    ChainTransfer,
    DebitNote,
    DebitNoteState,
    Payment,
    PaymentState,
    Transaction,
    TransactionKind,
    TransactionState,
)
from apps.billing.treasury import batching, paying, sending
from apps.billing.treasury.approving import approve_payment, chase_approvals, refuse_payment
from apps.billing.treasury.settlement import dispatch_ready, pay_providers
from apps.billing.wallets.stray import return_stray_deposit
from apps.nodes.models import Node
from apps.nodes.queen import queen_address
from apps.teams.audit import Actor
from tests.billing.chain_of_tests import CONFIRMATIONS, FINALITY
from tests.billing.test_it_works_side_by_side import side_by_side
from tests.billing.treasury_of_tests import (
    NOTHING,
    OWED,
    Killed,
    filled_budget,
    look_again,
    operator,
    owe,
    unreachable,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.needs("chain"),
    pytest.mark.usefixtures("budget", "books_add_up"),
]

EACH = Decimal("0.01")
OTHERS = 4
OTTO = Actor("user", "otto")
ZERO_ADDRESS, OTHER_CONTRACT = "0x" + "00" * 20, "0x" + "44" * 20


@pytest.fixture
def budget(team, anvil):
    return filled_budget(team, anvil)


@pytest.fixture
def contract(anvil, settings):
    return anvil.batches(settings)


@pytest.fixture
def nodes(owed, hold, node, make_node):
    """Five of them: one with a debit note over 0.000226, and four that are owed 0.01 each."""
    others = [make_node() for _ in range(OTHERS)]
    for each in others:
        owe(hold, each, EACH)
    return [node, *others]


def pay() -> list[Payment]:
    return pay_providers(minimum_glm=NOTHING)


def let_it_finish(anvil):
    for _ in range(2):
        look_again()
        anvil.grow(FINALITY)


def all_were_paid_once(anvil, nodes):
    let_it_finish(anvil)
    assert [anvil.glm_of(node.id) for node in nodes] == [OWED, *[EACH] * OTHERS]
    assert {balance(payable_account(node)) for node in nodes} == {NOTHING}
    assert balance(house_account(AccountKind.IN_FLIGHT)) == 0
    assert DebitNote.objects.get().state == DebitNoteState.PAID
    assert reconcile().agrees
    assert Payment.objects.filter(state=PaymentState.FINAL).count() == len(nodes)


def test_its_calls_are_those_of_the_contract():
    lines = [Line("0x" + "ab" * 20, Decimal(1)), Line("0x" + "cd" * 20, Decimal("0.000000000000000002"))]
    words = f"{2:064x}{'ab' * 20}{10**18:024x}{'cd' * 20}{2:024x}"
    direct, indirect = direct_call("0xc", lines), indirect_call("0xc", lines)
    assert direct.data == f"0x{keccak(text='golemTransferDirectPacked(bytes32[])').hex()[:8]}{32:064x}{words}"
    name = keccak(text="golemTransferIndirectPacked(bytes32[],uint256)").hex()[:8]
    assert indirect.data == f"0x{name}{64:064x}{10**18 + 2:064x}{words}"


def test_it_pays_all_by_one_transaction(anvil, contract, nodes):
    payments = pay()
    [batch] = Transaction.objects.all()
    assert [payment.transaction for payment in payments] == [batch] * len(nodes)
    assert [payment.line for payment in payments] == list(range(len(nodes)))
    assert batch.contract == contract
    anvil.grow(CONFIRMATIONS - 1)
    assert {payment.state for payment in Payment.objects.all()} == {PaymentState.CONFIRMED}
    assert reconcile().agrees
    all_were_paid_once(anvil, nodes)
    events = ChainTransfer.objects.exclude(payment=None)
    assert {each.payment_id for each in events} == {each.pk for each in payments}
    assert events.count() == len(payments)


@pytest.mark.parametrize("kind", [TransactionKind.DIRECT, TransactionKind.INDIRECT])
def test_it_knows_its_payments_whichever_way_the_contract_went(anvil, contract, nodes, monkeypatch, kind):
    gas_of = Chain.gas_of

    def favour(chain, call, *, sender):
        return gas_of(chain, call, sender=sender) * (1 if call.data[:10] == favoured[:10] else 3)

    make = {TransactionKind.DIRECT: direct_call, TransactionKind.INDIRECT: indirect_call}[kind]
    favoured = make(contract, [Line(node.id, EACH) for node in nodes]).data
    monkeypatch.setattr(Chain, "gas_of", favour)
    pay()
    assert Transaction.objects.get().kind == kind
    all_were_paid_once(anvil, nodes)
    through = ChainTransfer.objects.filter(sender=contract).count()
    assert through == (len(nodes) if kind == TransactionKind.INDIRECT else 0)


def test_it_takes_the_way_that_needs_less_gas(anvil, contract, nodes):
    lines = [Line(node.id, EACH) for node in nodes]
    prices = {
        kind: chain().gas_of(batching.call_over(kind, lines), sender=queen_address())
        for kind in (TransactionKind.DIRECT, TransactionKind.INDIRECT)
    }
    pay()
    assert Transaction.objects.get().kind == min(prices, key=prices.get)
    singly = sum(
        chain().gas_of(batching.call_over(TransactionKind.TRANSFER, [line]), sender=queen_address())
        for line in lines
    )
    assert min(prices.values()) < singly


def test_it_makes_batches_of_at_most_so_many(anvil, contract, nodes, settings):
    settings.HIVE_PAYOUTS_PER_BATCH = 2
    pay()
    sizes = [each.payments.count() for each in Transaction.objects.order_by("nonce")]
    assert sizes == [2, 2, 1]
    assert Transaction.objects.filter(kind=TransactionKind.TRANSFER).count() == 1
    all_were_paid_once(anvil, nodes)


def test_it_asks_for_an_allowance_once_and_pays_singly_meanwhile(anvil, nodes, hold, make_node, settings):
    settings.HIVE_MULTI_TRANSFER = anvil.glm.deploy_multi_transfer()
    anvil.ask("evm_setAutomine", False)
    pay()
    owe(hold, another := make_node(), EACH)
    owe(hold, one_more := make_node(), EACH)
    pay()
    kinds = [each.kind for each in Transaction.objects.order_by("nonce")]
    assert kinds == [TransactionKind.ALLOWANCE, *[TransactionKind.TRANSFER] * 7]
    anvil.ask("evm_setAutomine", True)
    all_of_them = [*nodes, another, one_more]
    let_it_finish(anvil)
    assert [anvil.glm_of(each.id) for each in all_of_them] == [OWED, *[EACH] * 6]
    assert Transaction.objects.get(kind=TransactionKind.ALLOWANCE).state == TransactionState.FINAL
    for each in nodes[1:]:
        owe(hold, each, EACH, name="again")
    pay()
    assert Transaction.objects.order_by("-nonce")[0].payments.count() == OTHERS
    let_it_finish(anvil)
    assert anvil.glm_of(nodes[1].id) == 2 * EACH


@pytest.mark.parametrize("step", ["confirm_transaction", "finish_transaction"])
def test_it_finishes_the_allowance_though_killed(anvil, nodes, settings, monkeypatch, step):
    def die(*args, **kwargs):
        raise Killed

    settings.HIVE_MULTI_TRANSFER = anvil.glm.deploy_multi_transfer()
    pay()
    anvil.mine(FINALITY)
    with monkeypatch.context() as patch:
        patch.setattr(sending, step, die)
        with pytest.raises(Killed):
            look_again()
    allowance = Transaction.objects.get(kind=TransactionKind.ALLOWANCE)
    assert (allowance.state, allowance.gas_coin) == (TransactionState.SENT, None)
    let_it_finish(anvil)
    allowance.refresh_from_db()
    assert allowance.state == TransactionState.FINAL
    assert allowance.gas_coin


def test_it_finishes_an_allowance_that_was_left_confirmed(anvil, nodes, settings):
    """As a process did that was killed between the two, when they were two transactions."""
    settings.HIVE_MULTI_TRANSFER = anvil.glm.deploy_multi_transfer()
    pay()
    Transaction.objects.filter(kind=TransactionKind.ALLOWANCE).update(state=TransactionState.CONFIRMED)
    let_it_finish(anvil)
    assert Transaction.objects.get(kind=TransactionKind.ALLOWANCE).state == TransactionState.FINAL


def test_one_bad_recipient_holds_up_nobody(anvil, contract, nodes, hold, make_node, caplog):
    """The token refuses transfers to the zero address, and with it the whole batch."""
    bad = Node.objects.create(id=ZERO_ADDRESS, name="nowhere", owner=nodes[0].owner)
    owe(hold, bad, EACH)
    payments = pay()
    assert len(payments) == len(nodes)
    assert Transaction.objects.count() == 1
    assert f"{EACH} GLM are not paid to {ZERO_ADDRESS}" in caplog.text
    assert balance(payable_account(bad)) == EACH
    all_were_paid_once(anvil, nodes)


def test_a_batch_that_fails_gives_each_line_back_and_goes_singly_then(anvil, contract, nodes):
    """The treasury's GLM are gone when a block takes it."""
    anvil.ask("evm_setAutomine", False)
    pay()
    [batch] = Transaction.objects.all()
    slot = "0x" + keccak(bytes.fromhex(queen_address()[2:].rjust(64, "0") + "00" * 32)).hex()
    had = anvil.ask("eth_getStorageAt", anvil.token, slot, "latest")
    anvil.ask("anvil_setStorageAt", anvil.token, slot, "0x" + "00" * 32)
    anvil.ask("evm_setAutomine", True)
    anvil.mine(FINALITY)
    look_again()
    batch.refresh_from_db()
    assert (batch.state, batch.block_number is not None) == (TransactionState.FAILED, True)
    assert {payment.state for payment in Payment.objects.all()} == {PaymentState.FAILED}
    assert [balance(payable_account(node)) for node in nodes] == [OWED, *[EACH] * OTHERS]
    anvil.ask("anvil_setStorageAt", anvil.token, slot, had)
    pay()
    assert Transaction.objects.filter(kind=TransactionKind.TRANSFER).count() == len(nodes)
    all_were_paid_once(anvil, nodes)


def test_it_pays_what_the_treasury_has_when_that_is_too_little(anvil, contract, nodes):
    """As many as it can, one by one: those that are left are paid the next time."""
    slot = "0x" + keccak(bytes.fromhex(queen_address()[2:].rjust(64, "0") + "00" * 32)).hex()
    had = anvil.ask("eth_getStorageAt", anvil.token, slot, "latest")
    anvil.ask("anvil_setStorageAt", anvil.token, slot, f"0x{2 * 10**16 + 10**15:064x}")
    assert len(pay()) == 3
    anvil.grow(FINALITY)
    back = int(had, 16) - 2 * 10**16 - int(OWED.scaleb(18))
    anvil.ask("anvil_setStorageAt", anvil.token, slot, f"0x{back:064x}")
    assert len(pay()) == 2
    all_were_paid_once(anvil, nodes)


def test_it_pays_again_when_the_batchs_block_is_gone(anvil, contract, nodes):
    pay()
    anvil.grow(CONFIRMATIONS - 1)
    anvil.reorganise(CONFIRMATIONS)
    assert anvil.glm_of(nodes[1].id) == 0
    watch_chain()
    assert {payment.state for payment in Payment.objects.all()} == {PaymentState.SENT}
    all_were_paid_once(anvil, nodes)


STEPS = ["in the first line", "in the last line", "signing", "storing", "before sending", "after sending"]


@pytest.mark.parametrize("step", STEPS)
def test_it_pays_each_once_though_killed(anvil, contract, nodes, monkeypatch, step):
    with monkeypatch.context() as patch:
        kill_at(step, patch)
        with pytest.raises(Killed):
            pay()
    stored = step in ("before sending", "after sending")
    assert Payment.objects.count() == (len(nodes) if stored else 0)
    pay()
    all_were_paid_once(anvil, nodes)


def kill_at(step, patch):
    def die(*args, **kwargs):
        raise Killed

    def send_and_die(chain, raw):
        send(chain, raw)
        raise Killed

    def die_at_line(number):
        def move(**fields):
            count.append(fields)
            return die() if len(count) == number else transfer(**fields)

        count = []
        return move

    send, transfer = Chain.send, paying.transfer
    match step:
        case "in the first line":
            patch.setattr(paying, "transfer", die_at_line(1))
        case "in the last line":
            patch.setattr(paying, "transfer", die_at_line(OTHERS + 1))
        case "signing":
            patch.setattr(paying, "treasury_signer", die)
        case "storing":
            patch.setattr(paying, "store_attempt", die)
        case "before sending":
            patch.setattr(Chain, "send", die)
        case "after sending":
            patch.setattr(Chain, "send", send_and_die)


@pytest.mark.parametrize("step", ["confirming", "finishing", "telling of it"])
def test_it_settles_each_once_though_the_watcher_is_killed(anvil, contract, nodes, monkeypatch, step):
    """Between two payments of one batch: all of them move, or none."""
    pay()
    with monkeypatch.context() as patch:
        if step != "confirming":
            anvil.grow(CONFIRMATIONS - 1)
        kill_watcher_at(step, patch)
        with pytest.raises(Killed):
            anvil.grow(FINALITY)
    states = set(Payment.objects.values_list("state", flat=True))
    assert states == {PaymentState.SENT if step == "confirming" else PaymentState.CONFIRMED}
    all_were_paid_once(anvil, nodes)


def kill_watcher_at(step, patch):
    from apps.billing.treasury import following

    def die(*args, **kwargs):
        raise Killed

    if step == "confirming":
        patch.setattr(Payment, "move_all", die)
    else:
        patch.setattr(following, {"finishing": "post_all", "telling of it": "mark_paid_notes"}[step], die)


def test_it_sends_a_batch_that_the_node_did_not_take(anvil, contract, nodes, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", unreachable)
        pay()
    assert {payment.state for payment in Payment.objects.all()} == {PaymentState.SIGNED}
    assert pay() == []
    all_were_paid_once(anvil, nodes)


def test_it_replaces_a_batch_that_is_stuck(anvil, contract, nodes, settings):
    settings.HIVE_REPLACE_AFTER_S = 0
    anvil.ask("evm_setAutomine", False)
    pay()
    look_again()
    assert Attempt.objects.count() > 1
    anvil.ask("evm_setAutomine", True)
    anvil.mine(1)
    all_were_paid_once(anvil, nodes)


@pytest.mark.parametrize("kind", ["batch", "allowance"])
def test_it_replaces_what_another_contract_was_signed_for(anvil, nodes, settings, kind):
    """HIVE_MULTI_TRANSFER names another one by now: what is out is repeated as it is."""
    settings.HIVE_REPLACE_AFTER_S = 0
    named = anvil.batches(settings) if kind == "batch" else anvil.glm.deploy_multi_transfer()
    settings.HIVE_MULTI_TRANSFER = named
    anvil.ask("evm_setAutomine", False)
    pay()
    settings.HIVE_MULTI_TRANSFER = OTHER_CONTRACT
    look_again()
    first = Transaction.objects.order_by("nonce")[0]
    assert (first.kind == TransactionKind.ALLOWANCE) is (kind == "allowance")
    assert first.attempts.count() > 1
    settings.HIVE_MULTI_TRANSFER = named
    anvil.ask("evm_setAutomine", True)
    anvil.mine(1)
    all_were_paid_once(anvil, nodes)


def test_it_takes_approved_payments_along_together(anvil, contract, nodes):
    """What waited for a transaction goes out as one, too."""
    for node in nodes:
        account = payable_account(node)
        paying.reserve(
            chain_id=31337,
            source=account,
            recipient=node.id,
            amount_glm=balance(account),
            node_id=node.id,
        )
    [batch] = dispatch_ready(chain())
    assert batch.payments.count() == len(nodes)
    assert dispatch_ready(chain()) == []
    let_it_finish(anvil)
    assert [anvil.glm_of(node.id) for node in nodes] == [OWED, *[EACH] * OTHERS]


@pytest.mark.django_db(transaction=True)
def test_it_pays_each_once_with_several_workers(anvil, contract, nodes):
    made = side_by_side(*[pay] * 4)
    assert all(isinstance(payments, list) for payments in made), made
    assert sorted(len(payments) for payments in made) == [0, 0, 0, len(nodes)]
    side_by_side(*[watch_chain] * 4)
    all_were_paid_once(anvil, nodes)


def test_a_deposit_through_the_contract_is_the_payers(anvil, contract, team, budget):
    """A team pays with a batch of its own: the contract is the sender, the team's wallet the payer."""
    from tests.billing.treasury_of_tests import WALLET

    before = budget.available_glm
    pay_in_through(anvil, contract, WALLET, Decimal(3))
    anvil.grow(FINALITY)
    deposit = ChainTransfer.objects.get(sender=contract)
    assert (deposit.payer, deposit.paid_by) == (WALLET.address.lower(), WALLET.address.lower())
    assert budget.available_glm == before + 3
    assert reconcile().agrees


def test_it_sends_nothing_back_to_the_contract(contract):
    """Another contract called it, so nobody knows whose GLM they are."""
    stray = ChainTransfer(state="final", sender=contract, recipient=queen_address(), amount=EACH)
    with pytest.raises(ValueError, match="which would keep it"):
        return_stray_deposit(stray, actor=OTTO, reason="a test")


def test_what_is_large_together_waits_for_operators(anvil, contract, nodes, settings, caplog):
    settings.HIVE_APPROVAL_ABOVE_GLM = 2 * EACH
    payments = pay()
    assert {payment.state for payment in payments} == {PaymentState.WAITING}
    assert not Transaction.objects.exists()
    assert balance(house_account(AccountKind.IN_FLIGHT)) == OWED + OTHERS * EACH
    approve_all(payments)
    all_were_paid_once(anvil, nodes)
    assert Transaction.objects.get().payments.count() == len(nodes)


@pytest.mark.parametrize("how", ["refused", "late"])
def test_what_was_not_approved_is_asked_for_again(anvil, contract, nodes, settings, how):
    """Each line is below the limit; by itself, after its batch was turned down, it would have gone out."""
    settings.HIVE_APPROVAL_ABOVE_GLM = 2 * EACH
    turn_down(pay(), how)
    assert balance(house_account(AccountKind.IN_FLIGHT)) == 0
    again = pay()
    assert {payment.state for payment in again} == {PaymentState.WAITING}
    assert not Transaction.objects.exists()
    approve_all(again)
    all_were_paid_once(anvil, nodes)


def test_it_asks_at_any_amount_for_a_node_that_was_turned_down(anvil, contract, nodes, hold, settings):
    """Small ones meanwhile wait as well; once one of its payments was approved, they go out as ever."""
    settings.HIVE_APPROVAL_ABOVE_GLM = 2 * EACH
    turn_down([each for each in pay() if each.node_id == nodes[1].id], "refused")
    settings.HIVE_APPROVAL_ABOVE_GLM = 10 * EACH  # more than all that waits: none of it is large
    [again] = pay()
    owe(hold, nodes[1], EACH / 2, name="more")
    [more] = pay()
    assert {again.state, more.state} == {PaymentState.WAITING}
    assert more.reason == "the last one was not approved: 2 operators have to approve it"
    approve_all(Payment.objects.filter(state=PaymentState.WAITING))
    let_it_finish(anvil)
    owe(hold, nodes[1], EACH / 2, name="yet more")
    [last] = pay()
    assert (last.state, last.approvals_needed) == (PaymentState.SENT, 0)


def test_what_is_large_together_waits_though_it_goes_out_singly(anvil, nodes, settings):
    """No contract, or no allowance for it yet: the sum leaves the treasury all the same."""
    settings.HIVE_APPROVAL_ABOVE_GLM = 2 * EACH
    assert {payment.state for payment in pay()} == {PaymentState.WAITING}
    assert not Transaction.objects.exists()


def test_what_is_large_together_waits_though_it_is_many_batches(anvil, contract, nodes, settings):
    settings.HIVE_APPROVAL_ABOVE_GLM, settings.HIVE_PAYOUTS_PER_BATCH = 3 * EACH, 2
    assert {payment.state for payment in pay()} == {PaymentState.WAITING}
    assert not Transaction.objects.exists()


def test_it_pays_singly_when_the_allowance_is_not_told(anvil, contract, nodes, monkeypatch):
    """A provider that has enough of our questions refuses this one: nobody goes unpaid for it."""

    def too_many(*args, **kwargs):
        raise ChainRefused("eth_call: limit exceeded")

    monkeypatch.setattr(Chain, "allowance_glm", too_many)
    assert len(pay()) == len(nodes)
    assert {each.kind for each in Transaction.objects.all()} == {TransactionKind.TRANSFER}
    all_were_paid_once(anvil, nodes)


def turn_down(payments, how):
    """By an operator's word, or because two deadlines pass."""
    ids = [payment.pk for payment in payments]
    if how == "refused":
        carl = operator("carl")
        for payment in payments:
            refuse_payment(payment, actor=carl, reason="suspicious")
    else:
        for _ in range(2):
            Payment.objects.filter(pk__in=ids).update(deadline_at=timezone.now() - timedelta(seconds=1))
            chase_approvals()
    assert {each.state for each in Payment.objects.filter(pk__in=ids)} == {PaymentState.FAILED}


def approve_all(payments):
    waiting = list(payments)
    for actor in (operator("ada"), operator("bob")):
        for payment in waiting:
            approve_payment(payment, actor=actor, reason="seen")


def pay_in_through(anvil, contract, wallet, amount):
    anvil.glm.deposit(wallet, wallet.address, amount)
    approve = paying.Call(anvil.token, f"0x095ea7b3{contract[2:]:0>64}{2**255:064x}")
    call = indirect_call(contract, [Line(queen_address(), amount)])
    for each in (approve, call):
        unsigned = chain().unsigned(each, nonce=chain().nonce(wallet.address), gas=GAS)
        raw = wallet.sign_transaction(unsigned).raw_transaction
        anvil.ask("eth_sendRawTransaction", "0x" + bytes(raw).hex())


GAS = paying.Gas(limit=300_000, max_fee_wei=10**11, tip_wei=10**9)
