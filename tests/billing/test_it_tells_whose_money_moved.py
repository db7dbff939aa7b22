"""A deposit says from whom, a withdrawal to whom, each with the chain's transaction."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.billing.chain.deposits import confirm_deposits, take_back
from apps.billing.ledger.movements import movements_of
from apps.billing.ledger.posting import transfer
from apps.billing.ledger.references import Behind, Told, behind, short
from apps.billing.models import Budget, ChainTransfer, Payment, PaymentPurpose
from apps.billing.statements.files import as_csv, document_of
from apps.billing.statements.paper import as_pdf
from apps.billing.statements.statement import Statement, statement_of
from apps.billing.treasury.following import fail_payment
from apps.billing.treasury.paying import reserve
from apps.billing.treasury.signers import treasury_address
from tests.billing.payments_of_tests import signed
from tests.billing.wallets_of_tests import WALLET, proven

pytestmark = pytest.mark.django_db

HOME = WALLET.address.lower()
FROM, TO = f"Deposit from {short(HOME)}", f"Withdrawal to {short(HOME)}"


@pytest.fixture
def budget(team):
    return proven(team).budget


def deposit(settings, number: int, amount: str = "10") -> ChainTransfer:
    """Seen on the chain, deep enough, and credited to whose wallet it came from."""
    seen = ChainTransfer.objects.create(
        chain_id=settings.HIVE_CHAIN_ID,
        tx_hash=f"0x{number:064x}",
        log_index=0,
        block_number=number,
        block_hash=f"0x{number:064x}",
        sender=HOME,
        recipient=treasury_address(),
        amount=Decimal(amount),
        deadline_at=timezone.now() + timedelta(hours=1),
    )
    confirm_deposits(deepest=number)
    seen.refresh_from_db()
    return seen


def withdraw(settings, budget, **fields) -> Payment:
    return reserve(
        chain_id=settings.HIVE_CHAIN_ID,
        source=budget.available,
        recipient=HOME,
        amount_glm=Decimal(2),
        purpose=PaymentPurpose.WITHDRAWAL,
        **fields,
    )


def stated(budget) -> Statement:
    now = timezone.now()
    return statement_of(budget, start=now - timedelta(hours=1), end=now + timedelta(hours=1))


def test_it_says_from_whom_and_to_whom(settings, budget):
    paid_in = deposit(settings, 1)
    payment = withdraw(settings, budget)
    told = stated(budget)
    assert [(entry.label, entry.about, entry.address, entry.tx_hash) for entry in told.entries] == [
        ("Paid in", FROM, HOME, paid_in.tx_hash),
        ("Withdrawal under way", TO, HOME, ""),
    ]
    carrying = signed(tx_hash="0x" + "5e" * 32)
    Payment.objects.filter(pk=payment.pk).update(state="signed", transaction=carrying)
    assert stated(budget).entries[1].tx_hash == carrying.tx_hash
    assert [(each.about, each.tx_hash) for each in movements_of([budget], limit=5)] == [
        (TO, carrying.tx_hash),
        (FROM, paid_in.tx_hash),
    ]


def test_it_says_the_same_of_what_is_undone(settings, budget):
    paid_in = deposit(settings, 1)
    fail_payment(withdraw(settings, budget), reason="its nonce is gone")
    take_back(paid_in)
    told = [(entry.label, entry.about) for entry in stated(budget).entries]
    assert told == [("Paid in", FROM), ("Withdrawn", TO), ("Undone", TO), ("Undone", FROM)]


def test_files_keep_the_raw_reference_beside_it(settings, budget):
    deposit(settings, 1)
    payment = withdraw(settings, budget)
    told = stated(budget)
    rows = list(csv.DictReader(io.StringIO(as_csv([told]).decode("utf-8-sig"))))
    assert [(row["about"], row["reference"], row["address"]) for row in rows[1:3]] == [
        (FROM, f"chain:0x{1:064x}:0", HOME),
        (TO, f"payment:{payment.pk}", HOME),
    ]
    assert [entry["reference"] for entry in document_of(told)["entries"]] == [
        row["reference"] for row in rows[1:3]
    ]
    assert as_pdf(budget.team, [told]).startswith(b"%PDF-")


def test_its_pages_show_it(settings, budget, team, owner, client):
    deposit(settings, 1)
    withdraw(settings, budget)
    client.force_login(owner)
    for page in ("billing:statement", "billing:overview"):
        shown = client.get(reverse(page, args=[team.slug])).content.decode()
        assert FROM in shown and TO in shown
        assert f"0x{1:064x}" in shown
        assert ">payment:" not in shown


def test_it_asks_no_more_for_many(settings, budget):
    deposit(settings, 1)
    withdraw(settings, budget)
    few = asked(budget)
    for number in range(2, 6):
        deposit(settings, number)
        withdraw(settings, budget)
    assert asked(budget) == few


def asked(budget) -> int:
    budget = Budget.objects.get(pk=budget.pk)  # it remembers its team and accounts
    with CaptureQueriesContext(
        connection,
    ) as queries:
        stated(budget)
        movements_of([budget], limit=50)
    return len(queries)


def test_it_tells_what_it_can_of_the_rest(settings, budget, django_assert_num_queries):
    names = ["invoice:HIVE-2026-000001", "credit_note:HIVE-CN-2026-000001", "hold:7", ""]
    with django_assert_num_queries(0):
        told = behind(Told(name, name) for name in names)
    assert [told[name] for name in names] == [
        Behind("Invoice HIVE-2026-000001"),
        Behind("Credit note HIVE-CN-2026-000001"),
        Behind("hold:7"),
        Behind(""),
    ]


def test_it_shows_the_reference_of_what_is_not_there(settings, budget, fund):
    fund(budget, "5")
    lost = Told("deposit:999999", "chain:0x12:0")
    assert behind([lost]) == {lost.key: Behind("chain:0x12:0")}
    transfer(
        key="deposit:by-hand",
        kind="deposit",
        debit=budget.available,
        credit=budget.held,
        amount_glm=Decimal(1),
        reference="by hand",
    )
    assert stated(budget).adds_up
