"""Credit: a budget goes below zero as far as it may, and what is owed is due with the invoice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.billing.budgets.holding import place_hold
from apps.billing.budgets.lending import set_credit_limit
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.files import as_csv
from apps.billing.invoicing.owing import beyond_later_usage_glm
from apps.billing.invoicing.paper import as_pdf
from apps.billing.invoicing.paying import collect_due, mark_overdue, paid_otherwise
from apps.billing.invoicing.reminding import LEVELS, lift_paid, remind_due
from apps.billing.invoicing.suspending import TeamSuspended
from apps.billing.ledger.accounts import TransferKind
from apps.billing.ledger.posting import InsufficientFunds, check_ledger, house_account, transfer
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import AccountKind, BillingDetails, Budget, Hold, Invoice, InvoiceState
from apps.teams.audit import Actor
from apps.teams.models import AuditLine, Team
from apps.teams.states import StateError
from tests.cast import posted_usage

pytestmark = pytest.mark.django_db

OPERATOR = Actor("user", "root")
USED = Decimal("0.000352")
VAT = Decimal("0.00006688")


def lend(budget: Budget, limit: str) -> Budget:
    return set_credit_limit(budget, Decimal(limit), actor=OPERATOR, reason="a good customer")


def take(budget: Budget, amount: str, *, number: int = 1) -> Hold:
    return place_hold(
        budget=budget,
        reference=f"replica:9:{number}",
        amount_glm=Decimal(amount),
        until=timezone.now() + timedelta(minutes=15),
    )


def pay_in(budget: Budget, amount: Decimal) -> None:
    transfer(
        key=f"test:deposit:{timezone.now().timestamp()}",
        kind=TransferKind.DEPOSIT,
        debit=house_account(AccountKind.TREASURY),
        credit=budget.available,
        amount_glm=amount,
    )


# -- the guard --------------------------------------------------------------------------------------------


def test_a_budget_goes_below_zero_as_far_as_its_limit_and_no_further(budget: Budget) -> None:
    lend(budget, "5")
    assert (budget.available_glm, budget.balance_glm, budget.credit_limit_glm) == (15, 10, 5)
    take(budget, "14")
    assert (budget.available_glm, budget.balance_glm, budget.owed_glm) == (1, -4, 0)
    with pytest.raises(InsufficientFunds, match="1 GLM are available"):
        take(budget, "1.000000000000000001", number=2)
    take(budget, "1", number=2)
    assert check_ledger() == []


def test_a_limit_below_what_is_used_is_refused(budget: Budget) -> None:
    lend(budget, "5")
    take(budget, "14")
    with pytest.raises(
        ValueError, match="3 GLM: bakery/main has 4 GLM held or spent on credit; name at least"
    ):
        lend(budget, "3")
    lend(budget, "4")
    with pytest.raises(InsufficientFunds):
        take(budget, "0.1", number=2)


def test_who_lends_how_much_is_in_the_audit_trail(budget: Budget) -> None:
    lend(budget, "5")
    line = AuditLine.objects.get(noun="budget", after="credit")
    assert line.reason == "credit limit 5 GLM, it was 0 GLM: a good customer"
    assert (line.actor, line.team_id) == ("user:root", budget.team_id)


@pytest.mark.parametrize("limit", ["-1", "NaN", "1e10", "0.0000000000000000001"])
def test_what_is_no_limit_is_refused(budget: Budget, limit: str) -> None:
    with pytest.raises(ValueError, match=r"expected|name at least"):
        lend(budget, limit)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE billing_account SET credit_limit_glm = 1 WHERE id = %s", "account_within_its_credit"),
        ("UPDATE billing_account SET credit_limit_glm = -1 WHERE id = %s", "account_"),
        (
            "UPDATE billing_account SET credit_limit_glm = 1 WHERE id <> %s AND kind = 'held'",
            "account_credit_for_budgets_alone",
        ),
        ("UPDATE billing_account SET guarded_balance = -5 WHERE id = %s", "sum of its transfers"),
    ],
)
def test_nobody_lends_more_with_plain_sql(budget: Budget, sql: str, words: str) -> None:
    lend(budget, "5")
    take(budget, "14")
    with pytest.raises(DatabaseError, match=words), transaction.atomic():
        connection.cursor().execute(sql, [budget.available_id])


def test_what_is_lent_is_never_paid_out(budget: Budget) -> None:
    lend(budget, "5")
    out = {
        "kind": TransferKind.PAYOUT,
        "debit": budget.available,
        "credit": house_account(AccountKind.IN_FLIGHT),
    }
    with pytest.raises(InsufficientFunds, match="10 GLM are available"):
        transfer(key="payout:1", amount_glm=Decimal("10.1"), **out)
    transfer(key="payout:2", amount_glm=Decimal(10), **out)
    assert budget.balance_glm == 0
    with (
        pytest.raises(DatabaseError, match="what a team has on credit is not paid out"),
        transaction.atomic(),
    ):
        connection.cursor().execute(
            "INSERT INTO billing_transfer (key, kind, debit_id, credit_id, amount, reference, at)"
            " VALUES ('payout:3', 'payout', %s, %s, 1, '', now())",
            [budget.available_id, out["credit"].pk],  # type: ignore[attr-defined]
        )


# -- what is due ------------------------------------------------------------------------------------------


@pytest.fixture
def on_credit(meter: Any, node: Any, team: Team, budget: Budget) -> Budget:
    """It has nothing, and has used 0.000352 GLM on credit."""
    lend(budget, "5")
    transfer(
        key="test:spent",
        kind="counter",
        debit=budget.available,
        credit=house_account(AccountKind.FEES),
        amount_glm=Decimal(10),
    )
    store_usage(node_id=node.id, reports=[meter.report(), meter.report()])
    rate_usage()
    assert budget.owed_glm == USED
    return budget


def draw_up(team: Team, now: datetime) -> Invoice:
    return draw_up_invoice(team=team, actor=OPERATOR, until=now)


def due(invoice: Invoice) -> tuple[str, Decimal]:
    invoice.refresh_from_db()
    return invoice.state, invoice.due_glm


def test_what_was_used_on_credit_is_due_with_the_invoice(
    on_credit: Budget, team: Team, now: datetime
) -> None:
    invoice = draw_up(team, now)
    assert (invoice.credit_glm, invoice.reason) == (USED, "what was used on credit is due")
    assert due(invoice) == (InvoiceState.ISSUED, USED)
    assert invoice.due_at > now + timedelta(days=1)
    assert as_pdf(invoice).startswith(b"%PDF")
    assert invoice.number.encode() in as_csv(invoice)
    collect_due()
    assert due(invoice) == (InvoiceState.ISSUED, USED)
    pay_in(on_credit, USED / 2)
    collect_due()
    assert due(invoice) == (InvoiceState.ISSUED, USED / 2)
    pay_in(on_credit, USED / 2)
    collect_due()
    assert due(invoice) == (InvoiceState.PAID, 0)
    assert check_ledger() == []


def test_taxes_are_never_taken_on_credit(on_credit: Budget, team: Team, now: datetime) -> None:
    BillingDetails.objects.create(team=team, taxes=[{"name": "VAT", "percent": "19"}])
    invoice = draw_up(team, now)
    assert due(invoice) == (InvoiceState.ISSUED, USED + VAT)
    pay_in(on_credit, USED)
    collect_due()
    assert due(invoice) == (InvoiceState.ISSUED, VAT)
    pay_in(on_credit, VAT)
    collect_due()
    assert due(invoice) == (InvoiceState.PAID, 0)
    assert on_credit.owed_glm == 0


def test_what_is_used_after_it_is_not_asked_for_with_it(
    on_credit: Budget, team: Team, node: Any, meter: Any, now: datetime
) -> None:
    first = draw_up(team, now)
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    later_glm = on_credit.owed_glm - USED
    assert later_glm > 0
    second = draw_up(team, timezone.now())
    assert (first.credit_glm, second.credit_glm) == (USED, later_glm)
    pay_in(on_credit, USED)
    collect_due()
    assert due(first) == (InvoiceState.PAID, 0)
    assert due(second) == (InvoiceState.ISSUED, later_glm)
    pay_in(on_credit, later_glm)
    collect_due()
    assert due(second) == (InvoiceState.PAID, 0)


def test_what_came_in_pays_the_oldest_though_nobody_noted_it_before_the_next_invoice(
    on_credit: Budget, team: Team, node: Any, meter: Any, now: datetime
) -> None:
    first = draw_up(team, now)
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    later_glm = on_credit.owed_glm - USED
    pay_in(on_credit, USED)
    second = draw_up(team, timezone.now())
    assert second.credit_glm == on_credit.owed_glm == later_glm
    collect_due()
    assert due(first) == (InvoiceState.PAID, 0)
    assert due(second) == (InvoiceState.ISSUED, later_glm)


@pytest.mark.django_db(transaction=True)
def test_what_is_used_while_it_is_reckoned_is_not_taken_for_paid(
    on_credit: Budget, team: Team, agreement: Any, now: datetime
) -> None:
    first, sequences = draw_up(team, now), count(3)

    def use_more(execute: Any, sql: str, *args: Any) -> Any:
        answer = execute(sql, *args)
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(use, on_credit, agreement, next(sequences)).result()
        return answer

    with connection.execute_wrapper(use_more):
        owed_glm = beyond_later_usage_glm(first)
    assert owed_glm == USED
    assert on_credit.owed_glm > USED, "more was used meanwhile"


def use(budget: Budget, agreement: Any, sequence: int) -> None:
    """0.1 GLM, on a connection of its own."""
    try:
        with transaction.atomic():
            posted_usage(agreement, sequence=sequence)
            transfer(
                key=f"test:used:{sequence}",
                kind="counter",
                debit=budget.available,
                credit=house_account(AccountKind.FEES),
                amount_glm=Decimal("0.1"),
            )
    finally:
        connection.close()


def test_an_invoice_over_nothing_asks_for_nothing(
    on_credit: Budget, team: Team, node: Any, meter: Any, now: datetime
) -> None:
    draw_up(team, now)
    store_usage(node_id=node.id, reports=[meter.report(running_ms=0, cpu_ms=0)])
    rate_usage()
    over_nothing = draw_up(team, timezone.now())
    assert due(over_nothing) == (InvoiceState.PAID, 0)
    assert on_credit.owed_glm == USED


def test_nobody_is_late_with_nothing(on_credit: Budget, team: Team, now: datetime) -> None:
    draw_up(team, now)
    Invoice.objects.update(deadline_at=now, paid_glm=USED)
    assert mark_overdue() == 0


def test_who_does_not_pay_what_was_lent_is_reminded_and_suspended(
    on_credit: Budget, team: Team, now: datetime
) -> None:
    invoice = draw_up(team, now)
    Invoice.objects.update(deadline_at=now)
    assert mark_overdue() == 1
    for _ in range(len(LEVELS) + 1):
        remind_due(now=timezone.now() + timedelta(days=60))
        Invoice.objects.update(deadline_at=now)
    with pytest.raises(TeamSuspended, match=f"invoice {invoice.number} over 0.000352 GLM was due"):
        take(on_credit, "1")
    pay_in(on_credit, USED)
    collect_due()
    lift_paid()
    assert due(invoice) == (InvoiceState.PAID, 0)
    assert take(on_credit, "1")


def test_what_was_lent_is_paid_in_glm_and_not_elsewhere(on_credit: Budget, team: Team, now: datetime) -> None:
    invoice = draw_up(team, now)
    with pytest.raises(StateError, match="were used on credit: pay in GLM"):
        paid_otherwise(invoice, actor=OPERATOR, reason="by bank")


def test_what_was_lent_stays_on_the_invoice(on_credit: Budget, team: Team, now: datetime) -> None:
    draw_up(team, now)
    with pytest.raises(DatabaseError, match="corrected by a credit note"), transaction.atomic():
        connection.cursor().execute("UPDATE billing_invoice SET credit_glm = 0")


def test_a_prepaid_team_owes_nothing(
    meter: Any, node: Any, team: Team, budget: Budget, now: datetime
) -> None:
    store_usage(node_id=node.id, reports=[meter.report(), meter.report()])
    rate_usage()
    invoice = draw_up(team, now)
    assert (invoice.credit_glm, invoice.state) == (0, InvoiceState.PAID)
