"""Of a team's money so much stays for taxes as invoices ask for, and as the running month's will."""

from decimal import Decimal

import pytest
from django.urls import reverse

from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.keeping import kept_for_taxes, kept_of
from apps.billing.models import BillingDetails
from apps.teams.audit import Actor
from tests.cast import posted_usage

VAT, CITY = ("VAT", Decimal(19)), ("City", Decimal("2.5"))


def kept(invoiced: str = "0", used: str = "0", rates=(VAT,)):
    return kept_of(invoiced_glm=Decimal(invoiced), used_glm=Decimal(used), rates=rates)


@pytest.mark.parametrize(
    ("invoiced", "used", "rates", "total", "told"),
    [
        ("0", "0", [VAT], "0", ""),
        ("0", "5", [], "0", ""),
        ("0", "5", [("VAT", Decimal(0))], "0", ""),
        ("1", "0", [VAT], "1", "1 GLM of taxes are invoiced and not paid yet"),
        (
            "0",
            "2",
            [VAT, CITY],
            "0.43",
            "0.43 GLM of taxes will be on 2 GLM that were used and are on no invoice yet",
        ),
        (
            "1",
            "2",
            [VAT],
            "1.38",
            "1 GLM of taxes are invoiced and not paid yet, and "
            "0.38 GLM of taxes will be on 2 GLM that were used and are on no invoice yet",
        ),
    ],
)
def test_it_says_what_is_kept_and_why(invoiced, used, rates, total, told):
    found = kept(invoiced, used, rates)
    assert (found.total_glm, str(found)) == (Decimal(total), told)


def test_it_rounds_as_the_invoice_does():
    assert kept(used="0.000000000000000005", rates=[("VAT", Decimal(10))]).coming_glm == 0
    assert kept(used="0.000000000000000015", rates=[("VAT", Decimal(10))]).coming_glm == Decimal("2e-18")


@pytest.mark.django_db
def test_it_keeps_what_the_invoice_will_ask_for(agreement, team, other_team, now):
    BillingDetails.objects.create(team=team, taxes=[{"name": "VAT", "percent": "19"}])
    BillingDetails.objects.create(team=other_team, taxes=[{"name": "VAT", "percent": "19"}])
    for sequence in (1, 2):
        posted_usage(agreement, sequence=sequence)
    before = kept_for_taxes(team)
    assert (before.used_glm, before.coming_glm, before.invoiced_glm) == (Decimal("0.2"), Decimal("0.038"), 0)
    assert kept_for_taxes(other_team).total_glm == 0
    invoice = draw_up_invoice(team=team, actor=Actor("user", "clerk"), until=now)
    after = kept_for_taxes(team)
    assert (after.used_glm, after.coming_glm) == (0, 0)
    assert after.invoiced_glm == invoice.tax_glm == before.total_glm, "there is no budget to take it from"


@pytest.mark.django_db
def test_its_page_says_what_can_be_withdrawn(agreement, team, budget, owner, client):
    client.force_login(owner)
    page = reverse("billing:wallets", args=[team.slug])
    assert "Kept back" not in client.get(page).content.decode()
    BillingDetails.objects.create(team=team, taxes=[{"name": "VAT", "percent": "50"}])
    posted_usage(agreement)
    shown = client.get(page).content.decode()
    assert "Kept back: 0.05 GLM of taxes will be on 0.1 GLM that were used" in shown
    assert ">9.95 <" in shown
