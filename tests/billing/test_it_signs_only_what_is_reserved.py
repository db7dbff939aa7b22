"""Payments by plain SQL that nobody reserved money for: PostgreSQL refuses them, and so does who signs."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.billing.chain.calls import Call, Gas, transfer_call
from apps.billing.chain.client import chain
from apps.billing.chain.models import ChainBlock
from apps.billing.chain.proof import latest_proof, prove_books
from apps.billing.ledger.posting import balance, house_account, payable_account, transfer, undo
from apps.billing.models import AccountKind, Approval, Attempt, Payment, PaymentState, Transaction, Transfer
from apps.billing.treasury.approving import approve_payment
from apps.billing.treasury.checking import check_payments, late_payments
from apps.billing.treasury.following import fail_payment
from apps.billing.treasury.sending import replace_now
from apps.billing.treasury.settlement import dispatch_ready, give_up_late, pay_providers
from apps.billing.treasury.signers import treasury_address
from apps.nodes.queen import queen_key
from apps.teams.audit import Actor
from tests.billing.payments_of_tests import carried, reserved
from tests.billing.treasury_of_tests import NOTHING, WALLET, filled_budget, operator, owe

pytestmark = pytest.mark.django_db

ONE = Decimal(1)
THIEF, STOLEN = "0x" + "66" * 20, "0x" + "11" * 32
INSERT = """
    INSERT INTO billing_payment (id, purpose, node_id, chain_id, recipient, amount, line, state, reason,
        approvals_needed, state_since, deadline_at, created_at)
    VALUES (%s, %s, %s, 31337, %s, %s, 0, %s, '', %s, now(), now() + interval '1 hour', now())
"""
ENTRY = """
    INSERT INTO billing_transfer (key, kind, debit_id, credit_id, amount, reference, at)
    VALUES ('payout:' || %s, %s, %s, %s, %s, '', now())
"""


def run(sql: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def put(
    purpose: str, *, recipient: str, amount: Decimal = ONE, node: Any = None, state: str = "ready"
) -> str:
    """A payment by plain SQL. Returns its id."""
    key, needed = str(uuid.uuid4()), 2 if state == "waiting" else 0
    run(INSERT, key, purpose, node.id if node else None, recipient, amount, state, needed)
    return key


def commit() -> None:
    """What PostgreSQL looks at when a transaction ends."""
    run("SET CONSTRAINTS ALL IMMEDIATE")
    run("SET CONSTRAINTS ALL DEFERRED")


@pytest.fixture
def off_guard(db: None) -> None:
    """As if PostgreSQL had no such triggers, until the test is rolled back: the signing door is by itself."""
    commit()
    triggers = (("payment", "be_reserved"), ("payment", "stay_reserved"), ("transfer", "keep_reserves"))
    for table, name in triggers:
        run(f"ALTER TABLE billing_{table} DISABLE TRIGGER {name}")


# -- PostgreSQL -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["payout", "withdrawal"])
def test_it_takes_no_payment_without_its_entry(purpose: str, node: Any) -> None:
    with pytest.raises(DatabaseError, match="has no money reserved"), transaction.atomic():
        put(purpose, recipient=node.id, node=node if purpose == "payout" else None)
        commit()


@pytest.mark.parametrize(
    ("wrong", "change"),
    [
        ("nothing", {}),
        ("another amount", {"amount": Decimal("0.5")}),
        ("another kind", {"kind": "counter"}),
        ("another node's earnings", {"source": "other"}),
        ("not in flight", {"target": "fees"}),
    ],
)
def test_its_entry_is_of_its_amount_from_who_pays(
    wrong: str, change: dict[str, Any], node: Any, make_node: Any
) -> None:
    mine, other = payable_account(node), payable_account(make_node())
    treasury = house_account(AccountKind.TREASURY)
    for name, account in (("mine", mine), ("other", other)):
        transfer(key=name, kind="usage", debit=treasury, credit=account, amount_glm=ONE)
    source = other if change.get("source") else mine
    target = house_account(change.get("target", AccountKind.IN_FLIGHT))
    said = change.get("kind", "payout"), source.pk, target.pk, change.get("amount", ONE)

    def pay() -> None:
        with transaction.atomic():
            key = put("payout", recipient=node.id, node=node)
            run(ENTRY, key, *said)
            commit()

    if not change:
        pay()
        assert check_payments() == []
        return
    with pytest.raises(DatabaseError, match="has no money reserved"):
        pay()


def test_it_withdraws_to_no_wallet_that_the_team_has_not_proven(budget: Any) -> None:
    with pytest.raises(DatabaseError, match="has no money reserved"), transaction.atomic():
        key = put("withdrawal", recipient=THIEF)
        run(ENTRY, key, "payout", budget.available.pk, house_account(AccountKind.IN_FLIGHT).pk, ONE)
        commit()


@pytest.mark.parametrize("state", ["waiting", "ready"])
def test_it_does_not_move_on_without_its_entry(state: str, node: Any) -> None:
    """Within the transaction that puts it there, too."""
    step = {
        "waiting": "UPDATE billing_payment SET state = 'ready' WHERE id = %s",
        "ready": "UPDATE billing_payment SET state = 'signed', transaction_id = %s WHERE id = %s",
    }[state]
    with pytest.raises(DatabaseError, match="has no money reserved"), transaction.atomic():
        signed = carried(node=node, recipient=node.id, amount=ONE).transaction
        assert signed is not None
        key = put("payout", recipient=node.id, node=node, state=state)
        run("UPDATE billing_payment SET line = 1 WHERE id = %s", key)
        run(step, *([signed.pk] if state == "ready" else []), key)


def test_its_money_stays_in_flight_until_it_has_failed(node: Any) -> None:
    payment = reserved(carried(node=node, recipient=node.id, amount=ONE))
    entry = Transfer.objects.get(key=f"payout:{payment.pk}")
    with pytest.raises(DatabaseError, match="until the payment has failed"):
        undo(entry, key="taken back by hand")
    assert balance(payable_account(node)) == 0
    fail_payment(payment, reason="a test")
    assert balance(payable_account(node)) == 1
    assert check_payments() == []


# -- the signing door -------------------------------------------------------------------------------------


@pytest.fixture
def treasury(anvil: Any, team: Any) -> Any:
    """With 10 GLM."""
    return filled_budget(team, anvil)


def must_not_be_signed(caplog: Any, because: str) -> None:
    assert dispatch_ready(chain()) == []
    assert not Transaction.objects.exists()
    assert because in caplog.text


@pytest.mark.needs("chain")
def test_it_signs_nothing_that_is_not_reserved(
    treasury: Any, node: Any, off_guard: None, caplog: Any
) -> None:
    key = put("payout", recipient=node.id, node=node)
    must_not_be_signed(caplog, f"no entry payout:{key} has reserved its money")
    differences = prove_books()
    assert f"payment {key} over 1 GLM is ready: no entry payout:{key} reserved its money" in differences
    assert "0 GLM are in flight, payments over 1 GLM are under way" in differences
    Payment.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    give_up_late()
    assert Payment.objects.get().state == PaymentState.FAILED
    assert (check_payments(), balance(payable_account(node))) == ([], 0)


@pytest.mark.needs("chain")
@pytest.mark.parametrize("wrong", ["amount", "source", "undone"])
def test_it_signs_nothing_that_another_entry_reserved(
    treasury: Any, hold: Any, node: Any, make_node: Any, off_guard: None, caplog: Any, wrong: str
) -> None:
    owner = make_node() if wrong == "source" else node
    owe(hold, owner, "0.5")
    key = put("payout", recipient=node.id, node=node, amount=Decimal("0.4" if wrong == "amount" else "0.5"))
    in_flight = house_account(AccountKind.IN_FLIGHT)
    run(ENTRY, key, "payout", payable_account(owner).pk, in_flight.pk, Decimal("0.5"))
    if wrong == "undone":
        undo(Transfer.objects.get(key=f"payout:{key}"), key="taken back by hand")
    must_not_be_signed(caplog, "has reserved its money")


@pytest.mark.needs("chain")
def test_it_signs_nothing_large_that_asked_nobody(
    treasury: Any, node: Any, settings: Any, caplog: Any
) -> None:
    """As plain SQL may put it there, reserved and all; or the limit was lowered meanwhile."""
    settings.HIVE_APPROVAL_ABOVE_GLM = Decimal("0.9")
    payment = reserved(
        Payment.objects.create(
            node=node, chain_id=31337, recipient=node.id, amount=ONE, deadline_at=timezone.now()
        )
    )
    must_not_be_signed(caplog, "1 GLM, above 0.9 GLM, were not approved by 2 operators")
    payment.refresh_from_db()
    assert payment.state == PaymentState.FAILED  # it was past its deadline


@pytest.mark.needs("chain")
def test_it_signs_nothing_whose_operators_are_none_any_more(
    treasury: Any, hold: Any, node: Any, settings: Any, caplog: Any
) -> None:
    settings.HIVE_APPROVAL_ABOVE_GLM = Decimal("0.1")
    owe(hold, node, "0.5")
    [payment] = pay_providers(minimum_glm=NOTHING)
    ada, bob = operator("ada"), operator("bob")
    for actor in (ada, bob):
        approve_payment(payment, actor=actor, reason="seen")
    Approval.objects.get(user__username="bob").user.user_permissions.clear()
    must_not_be_signed(caplog, "1 of 2 operators approved it")


@pytest.mark.needs("chain")
@pytest.mark.parametrize("payments", [0, 1])
def test_it_signs_no_other_call_again(treasury: Any, hold: Any, node: Any, payments: int) -> None:
    """A transaction by plain SQL with an attempt that nobody signed: replacing it would sign its call."""
    made = stolen(node, pays=bool(payments))
    told = "its call is not that of what it pays" if payments else "it pays nothing that is known of"
    with pytest.raises(ValueError, match=told):
        replace_now(made, actor=Actor("user", "otto"), reason="it is stuck")
    assert Attempt.objects.count() == 1


def stolen(node: Any, *, pays: bool, raw: str = "0x", **changes: Any) -> Transaction:
    fields = {
        "nonce": chain().nonce(treasury_address()),
        "sender": treasury_address(),
        "contract": chain().token,
        "data": f"0xa9059cbb{THIEF[2:]:0>64}{10**18:064x}",
        "deadline_at": timezone.now(),
    } | changes
    made = Transaction.objects.create(chain_id=31337, tx_hash=STOLEN, **fields)
    Attempt.objects.create(
        transaction=made, number=1, tx_hash=STOLEN, raw=raw, gas_limit=60_000, max_fee_wei=1, tip_wei=0
    )
    if pays:
        fields = {"deadline_at": timezone.now(), "state": "signed", "transaction": made}
        reserved(Payment.objects.create(node=node, chain_id=31337, recipient=node.id, amount=ONE, **fields))
    return made


@pytest.mark.needs("chain")
@pytest.mark.parametrize("forged", ["no transaction", "another nonce", "another key", "another call"])
def test_it_signs_nothing_again_that_it_never_signed(
    treasury: Any, node: Any, settings: Any, forged: str
) -> None:
    """It pays what is reserved, and claims to be out already: so it asks nobody, large as it is."""
    settings.HIVE_APPROVAL_ABOVE_GLM = Decimal("0.9")
    call, nonce = to_the_node(node), chain().nonce(treasury_address())
    thiefs = transfer_call(chain().token, recipient=THIEF, amount_glm=ONE)
    raw = {
        "no transaction": "0x",
        "another nonce": raw_of(queen_key(), call, nonce=nonce + 1),
        "another key": raw_of(WALLET, call, nonce=nonce),
        "another call": raw_of(queen_key(), thiefs, nonce=nonce),
    }[forged]
    made = stolen(node, pays=True, raw=raw, data=call.data)
    with pytest.raises(ValueError, match=r"1 GLM, above 0\.9 GLM, were not approved by 2 operators"):
        replace_now(made, actor=Actor("user", "otto"), reason="it is stuck")
    assert Attempt.objects.count() == 1


@pytest.mark.needs("chain")
def test_it_signs_no_call_of_another_contract(treasury: Any, node: Any) -> None:
    made = stolen(node, pays=True, contract=THIEF, data=to_the_node(node).data)
    with pytest.raises(ValueError, match="its call is not that of what it pays"):
        replace_now(made, actor=Actor("user", "otto"), reason="it is stuck")
    assert Attempt.objects.count() == 1


def to_the_node(node: Any) -> Call:
    return transfer_call(chain().token, recipient=node.id, amount_glm=ONE)


def raw_of(key: Any, call: Call, *, nonce: int) -> str:
    unsigned = chain().unsigned(call, nonce=nonce, gas=Gas(60_000, 1, 0))
    return "0x" + bytes(key.sign_transaction(unsigned).raw_transaction).hex()


# -- the proof --------------------------------------------------------------------------------------------


def test_it_tells_of_money_that_came_to_nothing(node: Any, settings: Any, off_guard: None) -> None:
    settings.HIVE_GLM_TOKEN = ""
    payment = reserved(carried(node=node, recipient=node.id, amount=ONE))
    assert prove_books() == []
    payment.move_to(PaymentState.FAILED, actor=Actor.queen("test"), reason="by hand, and nothing more")
    assert prove_books() == [
        f"1 GLM are in flight by payout:{payment.pk}, and no payment is under way with them",
        "1 GLM are in flight, payments over 0 GLM are under way",
    ]


def test_it_tells_of_money_in_flight_beyond_finality(node: Any, settings: Any) -> None:
    settings.HIVE_GLM_TOKEN, settings.HIVE_FINALITY = "", 5
    reserved(carried(node=node, recipient=node.id, amount=ONE, state="confirmed", block_number=10))
    chain_id = settings.HIVE_CHAIN_ID
    ChainBlock.objects.create(chain_id=chain_id, number=20, hash="0x20")
    assert prove_books() == []  # the watcher has its time
    ChainBlock.objects.create(chain_id=chain_id, number=21, hash="0x21")
    [difference] = prove_books()
    assert difference.endswith("is in flight: its block 10 is final, and the ledger does not say so")


def test_it_tells_of_what_is_late_and_calls_no_books_wrong(node: Any, settings: Any) -> None:
    settings.HIVE_GLM_TOKEN = ""
    payment = reserved(carried(node=node, recipient=node.id, amount=ONE, state="sent"))
    assert late_payments() == []
    Payment.objects.filter(pk=payment.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert prove_books() == []
    proof = latest_proof()
    assert proof is not None
    assert proof.after == "proven"
    assert "is sent since" in proof.reason
    assert "past its deadline" in proof.reason
