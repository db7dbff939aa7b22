"""All payments are proven to be reserved in one pass; what is undone is looked up by its key."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.billing.ledger.posting import house_account, payable_account, transfer, undo
from apps.billing.models import AccountKind, ChainTransfer, PaymentState, Transfer
from apps.billing.treasury.checking import check_payments
from apps.teams.audit import Actor
from tests.billing.payments_of_tests import TREASURY, carried, reserved
from tests.billing.wallets_of_tests import WALLET, proven

pytestmark = pytest.mark.django_db

ONE = Decimal(1)
THIEF, PAYER = "0x" + "66" * 20, "0x" + "55" * 20
ENTRY = """
    INSERT INTO billing_transfer (key, kind, debit_id, credit_id, amount, reference, at)
    VALUES ('payout:' || %s, %s, %s, %s, %s, '', now())
"""


def run(sql: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@pytest.fixture
def off_guard(db: None) -> None:
    """As if PostgreSQL had no such triggers, until the test is rolled back: the proof is by itself."""
    run("SET CONSTRAINTS ALL IMMEDIATE")
    run("SET CONSTRAINTS ALL DEFERRED")
    triggers = (("payment", "be_reserved"), ("payment", "stay_reserved"), ("transfer", "keep_reserves"))
    for table, name in triggers:
        run(f"ALTER TABLE billing_{table} DISABLE TRIGGER {name}")


@pytest.mark.parametrize("state", ["signed", "final"])
@pytest.mark.parametrize(
    "wrong", ["", "no entry", "amount", "kind", "source", "target", "undone", "recipient"]
)
def test_it_tells_of_all_that_nothing_reserved(
    node: Any, make_node: Any, off_guard: None, wrong: str, state: str
) -> None:
    """Whatever PostgreSQL would not take, however old it is; and asks it of no payment one by one."""
    said: dict[str, Any] = {"recipient": THIEF if wrong == "recipient" else node.id, "amount": ONE}
    payment = carried(node=node, state=state, **said)
    owner = make_node() if wrong == "source" else node
    target = house_account(AccountKind.FEES if wrong == "target" else AccountKind.IN_FLIGHT)
    amount = Decimal("0.5") if wrong == "amount" else ONE
    money = {"debit": house_account(AccountKind.TREASURY), "credit": payable_account(owner)}
    transfer(key="earned", kind="usage", amount_glm=ONE, **money)
    if wrong != "no entry":
        run(
            ENTRY,
            str(payment.pk),
            "usage" if wrong == "kind" else "payout",
            payable_account(owner).pk,
            target.pk,
            amount,
        )
    if wrong == "undone":
        undo(Transfer.objects.get(key=f"payout:{payment.pk}"), key="undone")
    told = f"payment {payment.pk} over 1 GLM is {state}: no entry payout:{payment.pk} reserved its money"
    assert (told in check_in_one_pass()) is bool(wrong)


@pytest.mark.parametrize(("to", "told"), [(WALLET.address.lower(), 0), (THIEF, 1)])
def test_it_tells_of_withdrawals_to_others(
    team: Any, budget: Any, off_guard: None, to: str, told: int
) -> None:
    proven(team)
    payment = carried(state="final", purpose="withdrawal", recipient=to, amount=ONE)
    treasury, in_flight = house_account(AccountKind.TREASURY), house_account(AccountKind.IN_FLIGHT)
    transfer(key="paid in", kind="deposit", debit=treasury, credit=budget.available, amount_glm=ONE)
    run(ENTRY, str(payment.pk), "payout", budget.available.pk, in_flight.pk, ONE)
    assert sum("reserved its money" in line for line in check_in_one_pass()) == told


@pytest.mark.parametrize(
    ("to", "amount", "told"), [(PAYER, ONE, 0), (THIEF, ONE, 1), (PAYER, Decimal("0.5"), 1)]
)
def test_it_tells_of_returns_to_others(off_guard: None, to: str, amount: Decimal, told: int) -> None:
    """Or of more than came in."""
    event = {"chain_id": 31337, "tx_hash": "0x1", "log_index": 0, "block_number": 1, "block_hash": "0x1"}
    stray = ChainTransfer.objects.create(
        **event, sender=PAYER, recipient=TREASURY, amount=amount, deadline_at=timezone.now()
    )
    payment = carried(state="final", purpose="return", returns=stray, recipient=to, amount=ONE)
    suspense, in_flight = house_account(AccountKind.SUSPENSE), house_account(AccountKind.IN_FLIGHT)
    run(ENTRY, str(payment.pk), "payout", suspense.pk, in_flight.pk, ONE)
    assert sum("reserved its money" in line for line in check_in_one_pass()) == told


def check_in_one_pass() -> list[str]:
    """What the proof says of payments, without PostgreSQL's word on each; which has to be the same."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT bool_and(billing_payment_is_reserved(payment.*)) FROM billing_payment AS payment"
        )
        [all_are] = cursor.fetchone()
    run("ALTER FUNCTION billing_payment_is_reserved RENAME TO billing_payment_out_of_reach")
    told = check_payments()
    assert any("reserved its money" in line for line in told) is not all_are
    return told


def test_it_undoes_other_entries_without_reading_payments(node: Any, budget: Any) -> None:
    """Of a payment that failed, just its own row."""
    run("SET LOCAL enable_seqscan = off")
    for _ in range(3):
        reserved(carried(node=node, recipient=node.id, amount=ONE))
    failed = reserved(carried(node=node, recipient=node.id, amount=ONE))
    failed.move_to(PaymentState.FAILED, actor=Actor.queen("test"), reason="by hand")
    by_hand = {"debit": payable_account(node), "credit": house_account(AccountKind.IN_FLIGHT)}
    earned = {"debit": house_account(AccountKind.TREASURY), "credit": payable_account(node)}
    entries = [
        transfer(key="usage:1", kind="usage", amount_glm=ONE, **earned),
        transfer(key=f"counter:{failed.pk}", kind="usage", amount_glm=ONE, **earned),
        transfer(key="payout:by hand", kind="payout", amount_glm=ONE, **by_hand),
        transfer(key=f"payout:{'-' * 36}", kind="payout", amount_glm=ONE, **by_hand),
    ]
    before = payments_read()
    for entry in reversed(entries):
        undo(entry, key=f"{entry.key}:undone")
    assert payments_read() == before
    undo(Transfer.objects.get(key=f"payout:{failed.pk}"), key="undone")
    assert payments_read(by="scan") == before[1]


def payments_read(by: str = "") -> Any:
    """In this transaction so far: how often the table was looked at, and how many rows by whole scans."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT pg_stat_get_xact_numscans('billing_payment'::regclass) + (
                SELECT sum(pg_stat_get_xact_numscans(indexrelid)) FROM pg_index
                WHERE indrelid = 'billing_payment'::regclass
            ), pg_stat_get_xact_tuples_returned('billing_payment'::regclass)
        """)
        looks, rows = cursor.fetchone()
    return rows if by == "scan" else (looks, rows)
