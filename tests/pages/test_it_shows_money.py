"""Amounts and lengths of time as people read them, and what the billing page says."""

from __future__ import annotations

from decimal import Decimal

from django.test import Client

from hive_portal.templatetags.hive import glm, purse, span
from tests.pages.scenery import Scenery


def test_it_draws_up_no_invoice_over_nothing(scenery: Scenery, as_owner: Client) -> None:
    page = as_owner.post(f"/teams/{scenery.team.slug}/billing/invoices/", follow=True).content.decode()
    told = f"No invoice was drawn up: nothing was used since {scenery.invoice.number}"
    assert told in page


def test_it_rounds_what_may_be_spent_down() -> None:
    assert "9.99 " in purse(Decimal("9.9999999"))
    assert "10.00 " in glm(Decimal("9.9999999"))


def test_it_tells_less_than_a_second() -> None:
    assert (span("0.324"), span("0"), span("12.9")) == ("0.3 s", "0 s", "12 s")


def test_it_shows_what_was_paid_in(scenery: Scenery, as_owner: Client) -> None:
    page = as_owner.get(f"/teams/{scenery.team.slug}/billing/").content.decode()
    assert "Paid in" in page
    assert "hold:" not in page
