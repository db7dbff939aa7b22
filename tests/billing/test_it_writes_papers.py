"""What stands on a PDF: lines by deployment that add up, exact prices, what to pay with while it is due."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.billing.invoicing import paper
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.models import Invoice, InvoiceState
from apps.billing.invoicing.paper import as_pdf
from apps.billing.invoicing.paying import paid_otherwise
from apps.billing.invoicing.paying_in import payment_of
from apps.billing.invoicing.sheet import Group, clock, size
from apps.billing.invoicing.sums import sums_of
from apps.billing.models import BillingDetails
from apps.teams.audit import Actor
from apps.teams.models import Team
from tests.cast import posted_usage

NOW = timezone.now()
PRICE = {
    "start_glm": "0.0001",
    "cpu_second_glm": "0.000001",
    "second_glm": "0.000002",
    "egress_gib_glm": "0.05",
}
LINE = {
    "deployment": "shop",
    "service": "web",
    "replica": "web-1",
    "what": "hive/hello:1",
    "node": "0x" + "ab" * 20,
    "node_name": "attic",
    "running_s": "2592000",
    "cpu_s": "259200.5",
    "egress_bytes": 5 * 2**30,
    "price": PRICE,
    "cost_glm": "5.443300123456789012",
}


def invoice(*lines: dict, state: str = InvoiceState.ISSUED, tax_glm: str = "1.034227023456789912") -> Invoice:
    """Unsaved; its taxes are due."""
    net_glm = sum((Decimal(line["cost_glm"]) for line in lines), Decimal(0))
    return Invoice(
        number="HIVE-2026-000042",
        team=Team(slug="bakery", name="The Bakery"),
        period_start=NOW - timedelta(days=30),
        period_end=NOW,
        net_glm=net_glm,
        tax_glm=Decimal(tax_glm),
        total_glm=net_glm + Decimal(tax_glm),
        lines=list(lines),
        taxes=[{"name": "VAT", "percent": "19", "base_glm": "1", "amount_glm": tax_glm}],
        issuer={"name": "Golem Hive", "key": "0x" + "5e" * 20},
        customer={"team": "bakery", "name": "Bäckerei “Zur Biene”", "address": "Hauptstraße 7\n10115 Berlin"},
        due_at=NOW + timedelta(days=14),
        state=state,
    )


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


def test_it_puts_lines_under_their_deployment():
    rows = list(paper._rows([LINE, LINE | {"replica": "web-2"}, LINE | {"deployment": "cron"}]))
    assert [row for row in rows if isinstance(row, Group)] == [
        ("shop", "10.886600246913578024"),
        ("cron", "5.443300123456789012"),
    ]
    assert rows[1][0] == "web-1\nhive/hello:1\n0.0001 to start + 0.0072/h + 0.0036/CPU h + 0.05/GiB"


def test_it_says_only_the_prices_that_there_are():
    price = PRICE | {"start_glm": "0", "egress_gib_glm": "0"}
    assert paper.prices_in_words(price) == "0.0072/h + 0.0036/CPU h"


def test_it_asks_for_what_is_due_to_the_last_digit(settings):
    settings.HIVE_GLM_TOKEN = "0x" + "11" * 20
    asked = payment_of(invoice(LINE))
    assert asked.link.endswith("&uint256=1034227023456789912")
    assert payment_of(invoice(LINE, state=InvoiceState.PAID)) is None


def test_it_asks_for_nothing_where_there_is_no_token(settings):
    settings.HIVE_GLM_TOKEN = ""
    assert payment_of(invoice(LINE)) is None
    assert pages_of(as_pdf(invoice(LINE))) == 1


def test_it_goes_on_over_pages(settings):
    settings.HIVE_GLM_TOKEN = "0x" + "11" * 20
    long = LINE | {"what": "registry.example.org/" + "very-long/" * 25, "node_name": "n" * 80}
    assert pages_of(as_pdf(invoice(LINE, LINE))) == 1
    assert pages_of(as_pdf(invoice(*[long] * 40))) > 5


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 B"), (1536, "1.5 KiB"), (5 * 2**40, "5.0 TiB"), (2**60, "1048576.0 TiB")]
)
def test_it_tells_bytes(count, told):
    assert size(count) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [("0", "0:00:00"), ("0.508", "0:00:00.508"), ("3661.9990", "1:01:01.999"), ("2592000", "720:00:00")],
)
def test_it_tells_every_millisecond_that_is_billed(seconds, told):
    """Whoever multiplies them by the prices gets the cost of the line."""
    assert clock(seconds) == told
    assert told in paper._row(LINE | {"cpu_s": seconds})


def must_add_up(told: Invoice) -> None:
    """From the total down to what is still to pay."""
    _, total, *less, to_pay = [row for row in sums_of(told) if row.label != "VAT 19 %"]
    assert Decimal(total.amount) + sum(Decimal(row.amount.replace("−", "-")) for row in less) == Decimal(
        to_pay.amount
    )
    assert Decimal(to_pay.amount) == told.due_glm


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"credit_glm": Decimal(2)},
        {"credit_glm": Decimal(2), "paid_glm": Decimal("0.5")},
        {"credit_glm": Decimal(2), "credited_tax_glm": Decimal("0.25")},
        {"state": "paid", "paid_glm": Decimal(1)},
        {"state": "paid", "paid_glm": Decimal("0.75"), "credited_tax_glm": Decimal("0.25")},
        {"state": "paid", "paid_glm": Decimal(1), "credited_tax_glm": Decimal(1)},
    ],
)
def test_its_sums_lead_to_what_is_due(fields):
    told = invoice(LINE, tax_glm="1")
    for name, value in fields.items():
        setattr(told, name, value)
    must_add_up(told)


@pytest.fixture
def unpaid(agreement, team, owner):
    """Taxes on 0.1 GLM, and no budget to take them from."""
    BillingDetails.objects.create(team=team, taxes=[{"name": "VAT", "percent": "19"}])
    posted_usage(agreement)
    return draw_up_invoice(team=team, actor=Actor.user(owner), until=NOW + timedelta(days=1))


@pytest.mark.django_db
def test_its_page_says_what_to_pay_with_while_it_is_due(unpaid, client, owner, settings):
    settings.HIVE_GLM_TOKEN = "0x" + "11" * 20
    client.force_login(owner)
    page = reverse("billing:invoice", args=[unpaid.pk])
    told = client.get(page).content.decode()
    assert "uint256=19000000000000000" in told
    assert "<svg" in told
    paid_otherwise(unpaid, actor=Actor.user(owner), reason="on the bank account")
    assert "uint256=" not in client.get(page).content.decode()
