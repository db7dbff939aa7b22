"""What anybody may ask stops neither the database nor the market: too dear a filter is met by nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client

from apps.market import filters
from apps.market.filters import Inquiry, ids_meeting, patience
from apps.market.filters.parse import parse
from apps.market.filters.patience import FilterTooDear, in_time
from apps.market.filters.sql import to_q
from apps.market.placing.offers import live_book
from apps.nodes.models import Node, Offer
from apps.teams.models import User

pytestmark = pytest.mark.django_db

DEAR = "(|" + "".join(f"(a=*x{number}*x*x*x*)" for number in range(99)) + ")"
ENDLESS = "SELECT pg_sleep(600)"


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    cache.clear()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousandth of a second, where looking takes a hundred times as long."""
    monkeypatch.setattr(patience.in_time.__wrapped__, "__defaults__", (0.001,))  # type: ignore[attr-defined]


@pytest.fixture
def crowd(make_node: Callable[..., Node], make_offer: Callable[..., Offer]) -> list[Offer]:
    return [make_offer(make_node(), properties={"a": ["x"] * 6000}) for _ in range(5)]


def limit() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return str(cursor.fetchone()[0])


def test_a_statement_ends_in_time_and_the_transaction_goes_on() -> None:
    before = limit()
    with pytest.raises(FilterTooDear), in_time("(a=1)", 0.05), connection.cursor() as cursor:
        cursor.execute(ENDLESS)

    assert limit() == before
    with in_time("(b=1)", 3.0):
        assert limit() == "3s"
    assert limit() == before


def test_what_took_too_long_is_not_tried_again_at_once() -> None:
    with pytest.raises(FilterTooDear), in_time("(a=1)", 0.05), connection.cursor() as cursor:
        cursor.execute(ENDLESS)

    with pytest.raises(FilterTooDear), in_time("(a=1)"):
        raise AssertionError("asked again")


@pytest.mark.usefixtures("hasty", "crowd")
def test_a_filter_that_is_too_dear_is_met_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(FilterTooDear):
        ids_meeting(DEAR)
    with caplog.at_level(logging.WARNING, "hive.market"):
        assert not live_book().meets(DEAR).any()
    assert "takes too long to answer" in caplog.text


@pytest.mark.usefixtures("hasty", "crowd")
def test_whoever_asks_the_api_is_told(owner: User, client: Client) -> None:
    client.force_login(owner)
    told = client.get("/api/v1/market/offers/", {"constraints": DEAR})

    assert told.status_code == 400
    assert "takes too long to answer" in told.json()["error"]["message"]


def test_all_filters_of_a_book_have_a_time_together(offer: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Inquiry()("(golem.runtime.name=process)") == {offer.pk}
    monkeypatch.setattr(filters, "ALL_S", patience.EACH_S / 2)
    assert Inquiry()("(golem.runtime.name=process)") == set()


def test_a_list_is_asked_for_a_member_without_a_row_for_each() -> None:
    asked = str(Offer.objects.filter(to_q(parse("(golem.inf.cpu.capabilities=avx2)"))).query)
    assert "jsonb_array_elements" not in asked
