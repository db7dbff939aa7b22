"""The admin's form for credit notes says what is wrong with one, whatever is typed or forged into it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.billing.invoicing import admin
from apps.billing.invoicing.crediting import credit
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import BillingDetails, CreditNote, Invoice
from apps.teams.audit import Actor
from apps.teams.models import User

pytestmark = pytest.mark.django_db

CLERK = Actor("user", "clerk")
ABOVE_ZERO = "Expected an amount above zero, and at most what is left of the invoice."


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(username="root", password="root-password"))
    return client


@pytest.fixture
def invoice(meter: Any, node: Any, team: Any, now: Any) -> Invoice:
    """Over 0.000226 GLM."""
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    return draw_up_invoice(team=team, actor=CLERK, until=now)


def errors(client: Client, **fields: str) -> dict[str, list[str]]:
    """Of the form, which is shown again."""
    page = client.post(reverse("admin:billing_creditnote_add"), {"reason": "slow"} | fields)
    assert (page.status_code, CreditNote.objects.filter(reason="slow").exists()) == (200, False)
    return dict(page.context["adminform"].errors)


@pytest.mark.parametrize("net_glm", ["0", "-0", "-1", "0.000227"])
def test_it_credits_more_than_nothing(client: Client, invoice: Invoice, net_glm: str) -> None:
    assert errors(client, invoice=str(invoice.pk), net_glm=net_glm) == {"__all__": [ABOVE_ZERO]}


@pytest.mark.parametrize("pk", ["nope", "00000000-0000-0000-0000-000000000000", "7", "\u0661"])
def test_it_credits_no_invoice_that_is_none(client: Client, pk: str) -> None:
    assert list(errors(client, invoice=pk, net_glm="1")) == ["invoice"]


def test_it_takes_no_id_of_a_team_that_is_none(client: Client) -> None:
    page = client.post(reverse("admin:billing_billingdetails_add"), {"team": "nope"})
    assert (page.status_code, BillingDetails.objects.exists()) == (200, False)
    assert "team" in page.context["adminform"].errors


def test_it_says_what_only_the_verb_knew(
    client: Client, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another operator was faster: it is credited between the look of the form and the verb."""

    def late(row: Invoice, **said: Any) -> CreditNote:
        credit(row, net_glm=row.net_glm, actor=CLERK, reason="all of it")
        return credit(row, **said)

    monkeypatch.setattr(admin, "credit", late)
    told = errors(client, invoice=str(invoice.pk), net_glm="0.0001")
    assert "0.0001 GLM: expected at most 0 GLM, all that is left of" in told["__all__"][0]


def test_it_credits_what_is_right(client: Client, invoice: Invoice) -> None:
    add = {"invoice": str(invoice.pk), "net_glm": "0.0001", "reason": "slow"}
    assert client.post(reverse("admin:billing_creditnote_add"), add).status_code == 302
    assert CreditNote.objects.get().net_glm == Decimal("0.0001")
