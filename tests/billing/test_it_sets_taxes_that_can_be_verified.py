"""Taxes are set as `hive verify-invoice` can read them, each once; a paper with others is not sealed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.test import Client
from django.urls import reverse

from apps.billing.invoicing import rates
from apps.billing.invoicing.billing_details import taxes_are_right
from apps.billing.invoicing.crediting import _taxes, credit
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.files import as_json
from apps.billing.invoicing.models import CreditNote, Invoice, InvoiceSeries
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import BillingDetails
from apps.teams.audit import Actor
from apps.teams.models import Team, User
from hive_client.proving import prove, shapes
from hive_portal import env

CLERK = Actor("user", "clerk")
ENDLESS = "19.1234567890123456789012345"


def tax(percent: Any, name: Any = "VAT") -> dict[str, Any]:
    return {"name": name, "percent": percent}


WRONG = [
    ([tax(ENDLESS)], "with at most 4 decimals"),
    ([tax("19.12345")], "with at most 4 decimals"),
    ([tax("1_9")], 'got "1_9"'),
    ([tax(" 19 ")], 'got " 19 "'),
    ([tax("١٩")], "expected a percentage"),
    ([tax("1e1")], "expected a percentage"),
    ([tax("-0")], "expected a percentage"),
    ([tax("NaN")], "expected a percentage"),
    ([tax("100.0001")], "from 0 to 100"),
    ([tax("")], "expected a percentage"),
    ([tax(True)], "expected a percentage"),
    ([tax("19"), tax("7")], "stands there twice"),
    ([tax("19"), tax("7", "vat")], "stands there twice"),
    ([tax("60"), tax("41", "City")], "add up to 101 %"),
    ([tax("19", "x" * 41)], "1 to 40 printable"),
    ([tax("19", "")], "1 to 40 printable"),
    ([tax("19", " VAT")], "1 to 40 printable"),
    ([tax("19", "V\0T")], "1 to 40 printable"),
    ([tax("19", "V\u202eT")], "1 to 40 printable"),
    ([tax("19", 7)], "1 to 40 printable"),
    ([tax("19", ["VAT"])], "1 to 40 printable"),
    ([{"name": "VAT"}], "expected {"),
    ({}, "expected a list"),
]


@pytest.mark.parametrize(("taxes", "because"), WRONG)
def test_it_takes_no_taxes_that_nobody_could_verify(taxes: Any, because: str) -> None:
    with pytest.raises(ValidationError) as refused:
        taxes_are_right(taxes)
    assert because in refused.value.messages[0]
    assert "\0" not in refused.value.messages[0]


@pytest.mark.parametrize(
    "taxes",
    [[], [tax("19")], [tax("19.0")], [tax(19)], [tax("7.1234")], [tax("60"), tax("40", "Kommune Ærø")]],
)
def test_it_takes_taxes_as_people_write_them(taxes: Any) -> None:
    taxes_are_right(taxes)


def test_its_verifier_reads_the_same_amounts() -> None:
    assert rates.AMOUNT.pattern == shapes.AMOUNT.pattern


@pytest.mark.parametrize(
    ("told", "because"),
    [
        ("VAT", "expected a name and a percentage, VAT=19"),
        (f"VAT={ENDLESS}", "with at most 4 decimals"),
        ("VAT=1_9", "expected a percentage"),
        ("VAT=19,VAT=7", "stands there twice"),
        ("VAT=60,City=60", "add up to 120 %"),
        ("=19", "1 to 40 printable"),
    ],
)
def test_its_setting_is_held_to_the_same(monkeypatch: pytest.MonkeyPatch, told: str, because: str) -> None:
    monkeypatch.setenv("HIVE_TAXES", told)
    with pytest.raises(ImproperlyConfigured, match=f"HIVE_TAXES: .*{because}"):
        env.percents("HIVE_TAXES")


def test_its_setting_lists_taxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVE_TAXES", "VAT = 19, City=2.5")
    assert env.percents("HIVE_TAXES") == [("VAT", Decimal(19)), ("City", Decimal("2.5"))]


@pytest.mark.django_db
def test_its_admin_says_what_is_wrong_with_taxes(team: Team) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser(username="otto", password="otto-password"))
    for taxes in ([tax(ENDLESS)], [tax("19", "V\0T")]):
        page = client.post(
            reverse("admin:billing_billingdetails_add"), {"team": team.pk, "taxes": json.dumps(taxes)}
        )
        assert (page.status_code, BillingDetails.objects.exists()) == (200, False)
        assert "expected" in page.context["adminform"].errors["taxes"][0]


@pytest.mark.django_db
def test_it_seals_no_invoice_that_nobody_could_verify(meter: Any, node: Any, team: Team, now: Any) -> None:
    """Set before anybody looked closely: said loudly, and the number is the next invoice's."""
    details = BillingDetails.objects.create(team=team, taxes=[tax(ENDLESS)])
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    with pytest.raises(ValueError, match=r'"VAT": percent is "19.1234567890123456789012345"'):
        draw_up_invoice(team=team, actor=CLERK, until=now)
    assert not Invoice.objects.exists()
    assert not InvoiceSeries.objects.exists()

    details.taxes = [tax("60"), tax("60", "VAT")]  # as could be set before, and can be verified
    details.save()
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    assert prove(as_json(invoice)).number == f"HIVE-{now:%Y}-000001"


@pytest.mark.django_db
def test_it_seals_no_credit_note_that_nobody_could_verify(
    meter: Any, node: Any, team: Team, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an invoice from before."""
    BillingDetails.objects.create(team=team, taxes=[tax(ENDLESS)])
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    with monkeypatch.context() as before:
        before.setattr("apps.billing.invoicing.sealing.must_fit", lambda taxes: None)
        invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    with pytest.raises(ValueError, match="nobody could verify"):
        credit(invoice, net_glm=Decimal("0.0001"), actor=CLERK, reason="slow")
    assert not CreditNote.objects.exists()
    assert InvoiceSeries.objects.count() == 1


def test_it_credits_no_tax_below_zero() -> None:
    """Three parts of 3 wei at 20 % took 1 wei each, where the whole took 2: the last part has none left."""
    part = Decimal("3e-18")
    invoice = Invoice(
        taxes=[tax("20"), tax("0", "City")],
        net_glm=3 * part,
        tax_glm=Decimal("2e-18"),
        credited_net_glm=2 * part,
        credited_tax_glm=Decimal("2e-18"),
    )
    assert [each["amount_glm"] for each in _taxes(invoice, part)] == ["0", "0"]
