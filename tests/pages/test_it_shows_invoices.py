"""An invoice's page says who pays whom what, as its PDF does; the list says what is due."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone
from playwright.async_api import Page

from apps.billing.invoicing.sums import sums_of
from apps.billing.models import Account, Invoice
from apps.money import plain
from apps.teams.models import User
from hive_portal.templatetags.hive import invoice_badge
from tests.needs import needs_browser
from tests.pages.portal import portal_at_work
from tests.pages.scenery import Scenery
from tests.pages.test_it_works_in_a_browser import browsing


def page_of(invoice: Invoice, client: Client) -> str:
    return client.get(f"/invoices/{invoice.pk}/").content.decode()


@pytest.fixture
def unpaid(scenery: Scenery) -> Invoice:
    """A second one, over the same lines: it is to pay, as nothing takes its taxes from the budget."""
    paid = scenery.invoice
    return Invoice.objects.create(
        number="HIVE-2026-000777",
        team=scenery.team,
        period_start=paid.period_start,
        period_end=paid.period_end,
        net_glm=paid.net_glm,
        tax_glm=paid.tax_glm,
        total_glm=paid.total_glm,
        lines=[paid.lines[0] | {"running_s": "6.779", "cpu_s": "0.508"}],
        taxes=paid.taxes,
        issuer=paid.issuer | {"name": "Hive Ltd", "address": "1 Comb Lane\nDublin", "tax_id": "IE7"},
        customer=paid.customer,
        deadline_at=timezone.now(),
    )


def test_it_says_who_bills_whom(unpaid: Invoice, as_owner: Client) -> None:
    told = page_of(unpaid, as_owner)
    for words in ("Hive Ltd", "1 Comb Lane<br>Dublin", "IE7", "The Bakery, Müller &amp; Søn", "DE123456789"):
        assert words in told, words
    assert "Hauptstraße 7<br>10115 Berlin" in told


def test_its_sums_are_those_of_the_pdf(unpaid: Invoice, as_owner: Client) -> None:
    told = page_of(unpaid, as_owner)
    labels = [each.label for each in sums_of(unpaid)]
    assert labels == ["Used", "VAT 19 %", "Total", "Prepaid", "To pay"]
    for label, amount, _ in sums_of(unpaid):
        assert re.search(rf"<th>{label}[^<]*</th><td[^>]*></td><td[^>]*>{amount}<", told), label


def test_its_lines_can_be_recomputed_by_eye(unpaid: Invoice, as_owner: Client) -> None:
    told = page_of(unpaid, as_owner)
    for words in ("0:00:06.779", "0:00:00.508", unpaid.lines[0]["cost_glm"], "/h + ", "/CPU h"):
        assert words in told, words


def test_it_does_not_promise_to_take_what_is_lent(
    unpaid: Invoice, as_owner: Client, settings: pytest.FixtureRequest
) -> None:
    settings.HIVE_GLM_TOKEN = "0x" + "11" * 20  # type: ignore[attr-defined]
    assert "credit pays no invoice" in page_of(unpaid, as_owner)


def test_its_list_says_what_is_due(unpaid: Invoice, as_owner: Client) -> None:
    told = as_owner.get(f"/teams/{unpaid.team.slug}/billing/").content.decode()
    cells = re.findall(r'data-label="Due" class="right">(.*?)</td>', told)
    due, settled = sorted(cells, key=len, reverse=True)
    assert f'value="{plain(unpaid.due_glm)}"' in due
    assert "value=" not in settled


@pytest.mark.parametrize(("state", "tone"), [("issued", "busy"), ("overdue", "bad"), ("paid", "good")])
def test_its_badge_is_green_once_it_is_paid(state: str, tone: str) -> None:
    assert f'class="badge {tone}"' in invoice_badge(Invoice(state=state))


def test_it_counts_credit_in_what_may_be_spent(scenery: Scenery, as_owner: Client) -> None:
    path = f"/teams/{scenery.team.slug}/billing/"
    credit = "and the credit that your team was given"
    assert credit not in as_owner.get(path).content.decode()
    Account.objects.filter(pk=scenery.budget.available_id).update(credit_limit_glm=Decimal(5))
    assert credit in as_owner.get(path).content.decode()


# -- in a browser -----------------------------------------------------------------------------------------


async def bottom_of(page: Page, selector: str) -> float:
    box = await page.locator(selector).last.bounding_box()
    assert box is not None
    return box["y"] + box["height"]


@needs_browser
@pytest.mark.django_db(transaction=True)
async def test_it_keeps_things_apart_on_a_phone(scenery: Scenery, owner: User) -> None:
    async with portal_at_work() as port, browsing(port, width=390, user=owner) as page:
        await page.goto(f"/teams/{scenery.team.slug}/billing/")
        signed = page.locator("td[data-label=Amount] > span", has_text="+").last
        box = await signed.bounding_box()
        assert box is not None
        assert box["height"] < 30, "the sign and the amount are on one line"
        arrow_px = await page.locator("select[name=at_end]").evaluate(
            "list => parseFloat(getComputedStyle(list).paddingRight)"
        )
        assert arrow_px >= 32, "the arrow has room beside the words"

        await page.goto(f"/teams/{scenery.team.slug}/billing/wallets/")
        facts = await page.locator("section[aria-labelledby=paying-in] dl.facts").bounding_box()
        assert facts is not None
        assert facts["y"] - await bottom_of(page, "section[aria-labelledby=paying-in] form button") >= 8
