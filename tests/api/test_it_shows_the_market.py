"""The market is the same for everybody who is signed in, and says nothing of who rents."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agent.protocol import Price
from apps.market.history.noting import note_prices
from apps.market.models import Agreement, CloudPrice, Demand, GlmRate
from apps.nodes.models import Node, NodeState, Offer
from apps.teams.models import Team, User
from tests.api.conftest import As
from tests.cast import key_of_bee

CHEAP = Price(second_glm=Decimal("0.000001"), cpu_second_glm=Decimal("0.000001"))
THREAD_HOUR, CHEAP_HOUR = "0.0108", "0.0072"


@pytest.fixture
def nodes(make_node: Callable[..., Node], make_offer: Callable[..., Offer]) -> list[Node]:
    """`dear` in eu-west, `cheap` in us-east."""
    dear, cheap = make_node(name="dear", region="eu-west"), make_node(name="cheap", region="us-east")
    make_offer(dear, properties={"golem.inf.cpu.architecture": "x86_64"})
    make_offer(cheap, price=CHEAP, properties={"golem.inf.cpu.architecture": "aarch64"})
    return [dear, cheap]


def ask(as_: As, user: User, what: str, **params: Any) -> Any:
    return as_(user).get(f"/api/v1/market/{what}/", params)


def test_it_sums_the_book_up(nodes: list[Node], stranger: User, as_: As) -> None:
    told = ask(as_, stranger, "summary").json()["rows"]
    everywhere = next(row for row in told if (row["runtime"], row["region"]) == ("process", "*"))
    assert (everywhere["offers"], everywhere["cpu_threads_free"]) == (2, "8.000")
    assert (everywhere["least_glm"], everywhere["median_glm"]) == (CHEAP_HOUR, "0.009")
    assert [row["region"] for row in told if row["runtime"] == "process"] == ["eu-west", "us-east", "*"]


def test_it_lists_offers_the_cheapest_first(nodes: list[Node], stranger: User, as_: As) -> None:
    told = ask(as_, stranger, "offers").json()
    assert told["count"] == 2
    assert [(each["node_name"], each["thread_hour_glm"]) for each in told["results"]] == [
        ("cheap", CHEAP_HOUR),
        ("dear", THREAD_HOUR),
    ]
    (there,) = ask(as_, stranger, "offers", region="eu-west").json()["results"]
    assert (there["node"], there["region"], there["cpu_threads_free"]) == (nodes[0].pk, "eu-west", "4.000")
    assert ask(as_, stranger, "offers", runtime="wasm").json()["results"] == []


def test_it_filters_offers_in_golems_language(nodes: list[Node], stranger: User, as_: As) -> None:
    def named(constraints: str) -> list[str]:
        return [
            each["node_name"]
            for each in ask(as_, stranger, "offers", constraints=constraints).json()["results"]
        ]

    assert named("(golem.inf.cpu.architecture=aarch64)") == ["cheap"]
    assert named("(!(golem.inf.cpu.architecture=aarch64))") == ["dear"]
    assert named("(hive.region=eu-*)") == ["dear"]


def test_it_names_the_place_of_a_slip_in_a_filter(stranger: User, as_: As) -> None:
    refused = ask(as_, stranger, "offers", constraints="(golem.inf.mem.gib>=")
    assert refused.status_code == 400
    (problem,) = refused.json()["error"]["problems"]
    assert problem["place"] == "constraints"
    assert "at position" in problem["message"]


def test_it_tells_how_much_there_is_at_which_price(nodes: list[Node], stranger: User, as_: As) -> None:
    told = ask(as_, stranger, "depth", runtime="process").json()
    assert [(step["thread_hour_glm"], step["cpu_threads_free"]) for step in told["steps"]] == [
        (CHEAP_HOUR, "4.000"),
        (THREAD_HOUR, "8.000"),
    ]
    assert len(ask(as_, stranger, "depth", region="eu-west").json()["steps"]) == 1
    assert ask(as_, stranger, "depth", runtime="wasm").json()["steps"] == []


def test_it_tells_prices_over_time(nodes: list[Node], stranger: User, as_: As) -> None:
    note_prices()
    told = ask(as_, stranger, "prices", runtime="process", region="us-east").json()
    assert (told["range"], told["span_s"], len(told["at"])) == ("days", 300, 1)
    assert (told["figures"]["least_glm"], told["figures"]["let_percent"]) == ([CHEAP_HOUR], [0.0])
    assert ask(as_, stranger, "prices", range="years").json()["at"] == []
    assert ask(as_, stranger, "prices", range="weeks").status_code == 400


def test_it_tells_how_a_node_changed_its_price(
    nodes: list[Node], make_node: Callable[..., Node], stranger: User, as_: As
) -> None:
    told = ask(as_, stranger, "changes", node=nodes[1].pk.upper().replace("X", "x")).json()
    assert [(each["thread_hour_glm"], each["before_glm"]) for each in told["changes"]] == [(CHEAP_HOUR, None)]
    series = ask(as_, stranger, "asked", node=nodes[1].pk).json()
    assert series["figures"] == {"process": [None, CHEAP_HOUR, CHEAP_HOUR]}
    hidden = make_node(key_of_bee(77), state=NodeState.PENDING, approved_at=None, deadline_at=None)
    assert ask(as_, stranger, "changes", node=hidden.pk).status_code == 404
    assert ask(as_, stranger, "asked", node=hidden.pk).status_code == 404
    assert ask(as_, stranger, "changes").status_code == 400


def test_it_says_nothing_of_who_rents(
    offer: Offer, agreement: Agreement, team: Team, stranger: User, as_: As
) -> None:
    Demand.objects.create(
        team=team,
        reference="bakery-oven",
        runtimes=["process", "wasm"],
        image="bakery/secret:1",
        cpu_threads=1,
        mem_gib=1,
        deadline_at=timezone.now() + timedelta(minutes=5),
    )
    note_prices()
    told = ask(as_, stranger, "summary")
    wasm = next(row for row in told.json()["rows"] if row["runtime"] == "wasm")
    assert (wasm["demands"], wasm["offers"]) == (1, 0)
    for what in ("summary", "offers", "depth", "prices", "clouds", "compare"):
        words = ask(as_, stranger, what).content.decode()
        for secret in ("bakery", "oven", "secret", str(agreement.pk), agreement.image):
            assert secret not in words, what


@pytest.fixture
def clouds(db: None) -> None:
    CloudPrice.objects.all().delete()
    for provider, threads, price, currency in (
        ("Small", 2, "0.02", "USD"),
        ("Large", 8, "0.20", "USD"),
        ("Large", 16, "0.40", "USD"),
        ("Elsewhere", 8, "0.10", "EUR"),
    ):
        CloudPrice.objects.create(
            provider=provider,
            product=f"{provider}-{threads}",
            cpu_threads=threads,
            mem_gib=2 * threads,
            price_per_hour=price,
            currency=currency,
            as_of=date(2026, 4, 1),
            source="a list",
        )
    for day, price in ((1, "9"), (2, "0.5")):
        GlmRate.objects.create(currency="USD", price=price, as_of=date(2026, 5, day), source="a page")


def test_it_compares_with_public_clouds(clouds: None, nodes: list[Node], stranger: User, as_: As) -> None:
    """Two replicas of two threads: one on each node, spread before price."""
    told = ask(as_, stranger, "compare", replicas=2, cpu_threads=2, mem_gib=4, runtime="process").json()
    here = told["here"]
    assert (here["placed"], here["per_hour_glm"], here["per_month_glm"]) == (2, "0.0252", "18.396")
    assert [each["price"]["product"] for each in told["there"]] == ["Small-2", "Large-8", "Elsewhere-8"]
    small, _, elsewhere = told["there"]
    assert (small["per_hour"], small["per_month"], small["per_hour_glm"]) == ("0.040000", "29.200000", "0.08")
    assert (elsewhere["price"]["currency"], elsewhere["per_hour_glm"]) == ("EUR", None)
    (worth,) = told["worth"]
    assert (worth["currency"], worth["as_of"], worth["per_hour"]) == ("USD", "2026-05-02", "0.012600")


def test_it_says_what_finds_no_place_here_or_there(
    clouds: None, nodes: list[Node], stranger: User, as_: As
) -> None:
    told = ask(as_, stranger, "compare", cpu_threads=64, mem_gib=1, runtime="process").json()
    assert told["here"]["placed"] == 0
    assert told["here"]["reason"]
    assert told["there"] == []


def test_it_lists_what_clouds_ask_and_where_it_stands(clouds: None, stranger: User, as_: As) -> None:
    told = ask(as_, stranger, "clouds").json()
    assert len(told["prices"]) == 4
    assert {(each["as_of"], each["source"]) for each in told["prices"]} == {("2026-04-01", "a list")}
    assert [(each["currency"], each["price"]) for each in told["rates"]] == [("USD", "0.50000000")]


@pytest.mark.parametrize("what", ["summary", "offers", "depth"])
def test_it_asks_no_more_of_the_database_for_a_larger_market(
    what: str, make_node: Callable[..., Node], make_offer: Callable[..., Offer], stranger: User, as_: As
) -> None:
    client, asked = as_(stranger), list[int]()
    client.get("/api/v1/me/")  # the first request with a token also notes when it was used
    for more in (1, 12):
        for _ in range(more):
            make_offer(make_node())
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/api/v1/market/{what}/").status_code == 200
        asked.append(len(queries))
    assert asked[0] == asked[1]
