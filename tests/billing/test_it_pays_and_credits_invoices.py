"""Taxes on an invoice are taken from the budget; what is credited goes back, and never more than it was."""

from datetime import timedelta
from decimal import Decimal
from unittest.mock import Mock

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.price import percent_of
from apps.billing.invoicing.crediting import credit
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.files import as_csv
from apps.billing.invoicing.naming import Purpose, name_by
from apps.billing.invoicing.paper import as_pdf
from apps.billing.invoicing.paying import collect_due, mark_overdue, paid_otherwise
from apps.billing.ledger.posting import balance, check_ledger, house_account, transfer
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import AccountKind, BillingDetails, CreditNote, Invoice, InvoiceState
from apps.teams.audit import Actor
from apps.teams.models import Team
from apps.teams.states import StateError

pytestmark = pytest.mark.django_db

CLERK = Actor("user", "clerk")
USED = Decimal("0.000352")
VAT = Decimal("0.00006688")


@pytest.fixture
def used(meter, node, team, budget):
    """0.000352 GLM, and a team that pays 19 % on it."""
    BillingDetails.objects.create(team=team, taxes=[{"name": "VAT", "percent": "19"}])
    store_usage(node_id=node.id, reports=[meter.report(), meter.report()])
    rate_usage()


@pytest.fixture
def broke(used, budget):
    """All that was available is gone."""
    transfer(
        key="test:spent",
        kind="counter",
        debit=budget.available,
        credit=house_account(AccountKind.FEES),
        amount_glm=budget.available_glm,
    )


def test_it_takes_taxes_from_the_budget_at_once(used, team, budget, now):
    before = budget.available_glm
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    assert (invoice.net_glm, invoice.tax_glm, invoice.total_glm) == (USED, VAT, USED + VAT)
    assert invoice.taxes == [
        {"name": "VAT", "percent": "19", "base_glm": "0.000352", "amount_glm": "0.00006688"}
    ]
    assert (invoice.state, invoice.due_glm) == (InvoiceState.PAID, 0)
    assert before - budget.available_glm == balance(house_account(AccountKind.TAXES)) == VAT
    assert check_ledger() == []


def test_it_waits_for_what_the_budget_has_not(broke, team, budget, fund, now):
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    assert (invoice.state, invoice.due_glm) == (InvoiceState.ISSUED, VAT)
    assert collect_due() == 0
    Invoice.objects.update(deadline_at=now - timedelta(seconds=1))
    assert mark_overdue() == 1
    fund(budget, "1")
    assert collect_due() == 1
    assert collect_due() == 0
    invoice.refresh_from_db()
    assert (invoice.state, budget.available_glm) == (InvoiceState.PAID, 1 - VAT)


def test_it_tries_every_invoice_however_many_can_not_be_paid(broke, team, budget, fund, now):
    payable = draw_up_invoice(team=team, actor=CLERK, until=now)
    unpaid_by_others(
        Team.objects.create(slug="others", name="Others"), count=1000, issued_at=now - timedelta(days=9)
    )
    fund(budget, "1")
    assert collect_due() == 1
    payable.refresh_from_db()
    assert payable.state == InvoiceState.PAID


def test_it_lets_no_invoice_hold_up_the_others(broke, team, budget, fund, now, monkeypatch, caplog):
    draw_up_invoice(team=team, actor=CLERK, until=now)
    monkeypatch.setattr("apps.billing.invoicing.paying.collect", Mock(side_effect=ValueError("no")))
    assert collect_due() == 0
    assert "can't be collected" in caplog.text


def unpaid_by_others(team, *, count, issued_at):
    """Older invoices over taxes, of a team that has nothing."""
    Invoice.objects.bulk_create(
        Invoice(
            number=f"OLD-{number}",
            team=team,
            period_start=issued_at - timedelta(days=1),
            period_end=issued_at,
            tax_glm=1,
            total_glm=1,
            lines=[],
            issued_at=issued_at,
            deadline_at=issued_at + timedelta(days=99),
        )
        for number in range(count)
    )


def test_it_takes_an_operators_word_for_what_was_paid_elsewhere(broke, team, budget, now):
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    paid_otherwise(invoice, actor=CLERK, reason="seen on the bank account")
    assert (invoice.state, invoice.paid_glm, budget.available_glm) == (InvoiceState.PAID, VAT, 0)
    with pytest.raises(StateError, match="is paid"):
        paid_otherwise(invoice, actor=CLERK, reason="twice")


def test_it_gives_back_what_it_credits(used, team, budget, now):
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    before = budget.available_glm
    note = credit(invoice, net_glm=Decimal("0.0001"), actor=CLERK, reason="it was slow")
    assert note.number == f"HIVE-CN-{now:%Y}-000001"
    assert (note.tax_glm, note.total_glm) == (Decimal("0.000019"), Decimal("0.000119"))
    assert budget.available_glm - before == note.total_glm
    assert (invoice.credited_net_glm, invoice.credited_tax_glm) == (note.net_glm, note.tax_glm)
    assert check_ledger() == []


def test_it_asks_no_more_for_what_is_credited_before_it_is_paid(broke, team, budget, now):
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    credit(invoice, net_glm=USED / 2, actor=CLERK, reason="half of it was down")
    assert (invoice.state, invoice.due_glm, budget.available_glm) == (InvoiceState.ISSUED, VAT / 2, USED / 2)
    credit(invoice, net_glm=USED / 2, actor=CLERK, reason="the other half, too")
    assert (invoice.state, invoice.due_glm, budget.available_glm) == (InvoiceState.PAID, 0, USED)
    assert "credited by" in invoice.reason


def test_it_never_credits_more_than_was_invoiced(used, team, now):
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    credit(invoice, net_glm=USED, actor=CLERK, reason="all of it")
    with pytest.raises(ValueError, match="expected at most 0 GLM"):
        credit(invoice, net_glm=Decimal("0.000000000000000001"), actor=CLERK, reason="more")
    assert CreditNote.objects.count() == 1


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    shares=st.lists(st.integers(1, 352_000_000_000_000), min_size=1, max_size=5),
    percent=st.decimals(0, 100, places=3),
)
def test_it_credits_all_of_the_taxes_with_the_last_part(used, team, now, shares, percent):
    with transaction.atomic():
        BillingDetails.objects.update(taxes=[{"name": "VAT", "percent": str(percent)}])
        invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
        for share in shares:
            left = invoice.net_glm - invoice.credited_net_glm
            if left and (part := min(Decimal(share).scaleb(-18), left)):
                credit(invoice, net_glm=part, actor=CLERK, reason="a part")
        if left := invoice.net_glm - invoice.credited_net_glm:
            credit(invoice, net_glm=left, actor=CLERK, reason="the rest")
        assert invoice.credited_tax_glm == invoice.tax_glm == percent_of(USED, percent)
        assert check_ledger() == []
        transaction.set_rollback(True)


def refused(sql: str, *, because: str) -> None:
    with pytest.raises(DatabaseError, match=because), transaction.atomic():
        connection.cursor().execute(sql)


@pytest.mark.parametrize(
    "change",
    [
        "total_glm = 0, net_glm = 0, tax_glm = 0",
        "lines = '[]'",
        "taxes = '[]'",
        "customer = '{}'",
        "signature = '0x'",
        "due_at = now()",
        "number = 'X'",
    ],
)
def test_it_never_rewrites_a_paper(used, team, now, change):
    draw_up_invoice(team=team, actor=CLERK, until=now)
    refused(f"UPDATE billing_invoice SET {change}", because="corrected by a credit note")


def test_it_holds_credit_notes_to_the_invoice_in_the_database_too(used, team, now):
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    note = credit(invoice, net_glm=USED, actor=CLERK, reason="all of it")
    columns = "reason, net_glm, tax_glm, total_glm, taxes, issued_at, signature, invoice_id"
    again = f"INSERT INTO billing_creditnote (id, number, {columns}) SELECT gen_random_uuid(), 'X', {columns}"
    refused(f"{again} FROM billing_creditnote", because="invoice_credited_at_most_itself")
    refused("UPDATE billing_creditnote SET net_glm = 0, total_glm = tax_glm", because="given once")
    refused("DELETE FROM billing_creditnote", because="given once")
    refused("UPDATE billing_invoice SET credited_net_glm = 0", because="sum of the credit notes")
    refused("UPDATE billing_invoice SET state = 'issued', deadline_at = now()", because="no way from paid")
    refused("UPDATE billing_invoice SET paid_glm = 0", because="never falls")
    assert CreditNote.objects.get() == note


def test_it_says_what_each_line_was_for(used, team, agreement, now, monkeypatch):
    monkeypatch.setattr("apps.billing.invoicing.naming._namers", [])
    name_by(lambda ids: {pk: Purpose("shop", "web", "web-1") for pk in ids})
    [line] = draw_up_invoice(team=team, actor=CLERK, until=now).lines
    assert (line["deployment"], line["service"], line["replica"]) == ("shop", "web", "web-1")


def test_it_writes_csv_that_is_no_formula(used, team, node, now):
    node.name = "=cmd()"
    node.save(update_fields=["name"])
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    rows = as_csv(invoice).decode("utf-8-sig").splitlines()
    assert [row.split(",")[1] for row in rows] == ["kind", "usage", "tax", "total"]
    assert ",'=cmd()," in rows[1]
    assert rows[3].endswith(",0.00041888")


def test_it_writes_pdfs_with_their_fonts_in_them(used, team, now):
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    for paper in (invoice, credit(invoice, net_glm=USED, actor=CLERK, reason="Ærø, Łódź, Αθήνα")):
        pdf = as_pdf(paper)
        assert pdf.startswith(b"%PDF-")
        assert pdf.count(b"/FontFile2") == 2
