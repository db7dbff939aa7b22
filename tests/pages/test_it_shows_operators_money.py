"""How the admin writes money: no needless zeros, units beside the numbers, inputs that look like inputs."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from playwright.async_api import expect

from apps.billing.models import Approval, BudgetCap, Transaction
from apps.billing.treasury.gas import GasBook
from apps.teams.models import User
from hive_portal import standing
from hive_portal.unfold import NAVIGATION
from tests.needs import needs_browser
from tests.pages.portal import portal_at_work
from tests.pages.scenery import Scenery
from tests.pages.test_it_works_in_a_browser import browsing

RICH = GasBook(
    coin="ETH",
    brought_in_coin=Decimal(100),
    spent_coin=Decimal("0.001115364693628367"),
    spent_lately_coin=Decimal("0.001115364693628367"),
)
ZEROS = re.compile(r"\d\.\d*0{8}\b")
LESSER = {"billing.chainblock", "billing.attempt", "billing.invoiceseries", "billing.topup", "nodes.listener"}
LESSER |= {"billing.edgetraffic", "billing.treasurywallet", "teams.member", "teams.deliveryattempt"}
LESSER |= {"deployments.edgelog", "market.reputationfact", "billing.disputemessage", "auth.group"}
"""What is looked at from the page of something else, or for debugging alone."""


@pytest.fixture
def cap(scenery: Scenery) -> BudgetCap:
    return BudgetCap.objects.create(
        budget=scenery.budget, reference="deployment:7", name="shop", limit_glm=Decimal("0.0014")
    )


def page_of(client: Client, model: str, *args: object) -> str:
    verb = "change" if args else "changelist"
    return client.get(reverse(f"admin:billing_{model}_{verb}", args=args)).content.decode()


def test_its_sidebar_leads_to_every_noun() -> None:
    linked = {str(item["link"]) for group in NAVIGATION for item in group["items"]}
    missing = {
        model._meta.label_lower
        for model in admin.site._registry
        if reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") not in linked
    }
    assert missing == LESSER


def test_it_writes_amounts_without_zeros_in_lists(cap: BudgetCap, as_operator: Client) -> None:
    for model in ("budgetcap", "payment", "transaction", "usagerecord", "transfer", "hold"):
        assert not ZEROS.search(page_of(as_operator, model)), model
    told = page_of(as_operator, "budgetcap")
    assert ("0.0014 in all" in told, "Limit, GLM" in told) == (True, True)


def test_it_writes_amounts_without_zeros_in_rows(cap: BudgetCap, as_operator: Client) -> None:
    told = page_of(as_operator, "budgetcap", cap.pk)
    for words in ("Limit, GLM", "0.0014<", "Held and spent, GLM", "Left, GLM"):
        assert words in told, words
    assert not ZEROS.search(told)
    assert "deployment:&lt;id&gt;" in told
    paid = Transaction.objects.get()
    assert not ZEROS.search(page_of(as_operator, "transaction", paid.pk))


def test_it_names_the_units_of_gas(scenery: Scenery, as_operator: Client) -> None:
    done = Transaction.objects.get()
    Transaction.objects.filter(pk=done.pk).update(gas_coin=Decimal("0.00005029"))
    told = page_of(as_operator, "transaction")
    assert ("Gas, ETH" in told, "0.00005029<" in told) == (True, True)
    told = page_of(as_operator, "transaction", done.pk)
    assert ("Gas, ETH" in told, "At most, gwei" in told) == (True, True)


def test_it_does_not_offer_to_add_what_nobody_adds(scenery: Scenery, as_operator: Client) -> None:
    answer = as_operator.get(reverse("admin:billing_approval_changelist"), {"verdict__exact": "refused"})
    assert Approval.objects.exists()
    told = answer.content.decode()
    assert "Nothing here" in told
    assert "Create a new item" not in told


def test_it_rounds_what_is_left_for_gas(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "gas_book", lambda: RICH)
    assert standing._gas().value == "99.99 ETH"
    assert standing._gas().hint == "0.001115 ETH spent within a day, 0.001115 in all"


def test_it_tells_no_balance_before_it_is_known(
    scenery: Scenery, as_operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = replace(RICH, brought_in_coin=Decimal(0))
    monkeypatch.setattr(standing, "gas_book", lambda: unknown)
    monkeypatch.setattr("apps.billing.chain.proof_views.gas_book", lambda: unknown)
    assert standing._gas().value == "not known yet"
    assert standing._gas().hint.endswith("in all; reckoned every 5 minutes, from a block that is final")
    told = as_operator.get(reverse("billing:proofs")).content.decode()
    assert "are left by the books" not in told
    assert "is not known yet: it is reckoned every 5 minutes, from a block that is final." in told
    assert "0.001115364693628367 ETH are spent" in told
    monkeypatch.setattr("apps.billing.chain.proof_views.gas_book", lambda: RICH)
    assert "99.998884635306371633 ETH are left" in as_operator.get(reverse("billing:proofs")).content.decode()


@needs_browser
@pytest.mark.django_db(transaction=True)
async def test_its_credit_is_typed_into_boxes(scenery: Scenery, operator: User) -> None:
    async with portal_at_work() as port, browsing(port, user=operator) as page:
        await page.goto(f"/admin/billing/budget/{scenery.budget.pk}/change/")
        for label in ("Credit limit, GLM", "Why"):
            box = page.get_by_label(label)
            assert await box.evaluate("box => getComputedStyle(box).borderTopWidth") == "1px", label
        await page.get_by_label("Credit limit, GLM").fill("5.000000000000000001")
        await page.get_by_label("Why").fill("pays by the month")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_text("was changed successfully")).to_be_visible()


@needs_browser
@pytest.mark.django_db(transaction=True)
async def test_its_tiles_and_gas_fit_the_screen(
    scenery: Scenery, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "gas_book", lambda: RICH)
    async with portal_at_work() as port, browsing(port, user=operator) as page:
        await page.goto("/admin/")
        await expect(page.get_by_text("99.99 ETH")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 1280
        await page.goto("/admin/billing/transaction/")
        cell = await page.get_by_text("Gas, ETH").bounding_box()
        assert cell is not None
        assert cell["x"] + cell["width"] <= 1280
