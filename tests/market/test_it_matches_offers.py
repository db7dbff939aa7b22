"""Matching, ranking and bidding are plain functions over a book, without a database."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.protocol import Price
from apps.market.negotiating.bargaining import bid
from apps.market.placing.listing import Choice
from apps.market.placing.matching import choose, rank
from apps.market.placing.nearest import why_nothing_fits
from tests.market.listings import book, listing, names, need, node_id


def test_the_cheapest_comes_first_and_the_lately_heard_wins_a_tie() -> None:
    offers = [
        listing("dear", per_hour="0.03"),
        listing("quiet", per_hour="0.01", heard_s_ago=9),
        listing("lively", per_hour="0.01", heard_s_ago=1),
    ]

    assert names(rank(book(offers), need())) == ["lively", "quiet", "dear"]


def test_a_node_to_avoid_is_taken_only_when_nobody_else_serves() -> None:
    offers = book([listing("here", per_hour="0.01"), listing("there", per_hour="0.02")])

    assert names(rank(offers, need(avoid_nodes={node_id("here")}))) == ["there", "here"]


def test_beside_a_sibling_is_better_than_where_it_failed() -> None:
    offers = book(
        [
            listing("failed", per_hour="0.01"),
            listing("beside", per_hour="0.02"),
            listing("free", per_hour="0.03"),
        ]
    )

    asked = need(avoid_nodes={node_id("failed")}, beside_nodes={node_id("beside")})
    assert names(rank(offers, asked)) == ["free", "beside", "failed"]


def test_a_price_that_was_put_before_stays_when_another_is_put() -> None:
    a, b, c = listing("a", per_hour="0.03"), listing("b", per_hour="0.03"), listing("c", per_hour="0.02")
    second = Decimal("0.01") / 3600
    offers = (
        book([a, b, c])
        .at({str(a.id): Price(second_glm=second)})
        .at({str(b.id): Price(second_glm=second * 2)})
    )

    found = rank(offers, need(), bargained={str(c.id): Price(second_glm=second * 4)})

    assert [(one.offer.name, float(one.per_hour_glm)) for one in found] == [
        ("a", 0.01),
        ("b", 0.02),
        ("c", 0.04),
    ]


def test_the_better_runtime_wins_at_the_same_price() -> None:
    offers = [listing("a", runtime="process"), listing("a", runtime="docker")]

    best, _ = rank(book(offers), need(runtimes=["docker", "process"]))
    assert best.offer.runtime == "docker"


def test_a_price_that_was_bargained_for_counts_instead_of_the_offers_own() -> None:
    dear, cheap = listing("dear", per_hour="0.03"), listing("cheap", per_hour="0.02")
    lower = {str(dear.id): Price(second_glm=Decimal("0.01") / 3600)}

    best, second = rank(book([dear, cheap]), need(), bargained=lower)

    assert (best.offer, best.per_hour_glm) == (dear, Decimal("0.01"))
    assert (second.offer, second.per_hour_glm) == (cheap, cheap.price.per_hour_glm(Decimal(1)))


def test_who_is_shunned_or_above_the_limit_can_be_left_out() -> None:
    offers = book([listing("a", per_hour="0.01"), listing("b", per_hour="0.02"), listing("c", per_hour="3")])
    asked = need(max_price_per_hour_glm=Decimal("0.02"))

    assert names(rank(offers, asked)) == ["a", "b", "c"]
    assert names(rank(offers, asked, affordable=True)) == ["a", "b"]
    assert names(rank(offers, asked, shunned={node_id("a")}, affordable=True)) == ["b"]


def test_one_offer_can_be_chosen_as_long_as_it_fits() -> None:
    small, large = listing("small", cpu="1"), listing("large", cpu="4")
    offers = book([small, large])

    chosen = choose(offers, need(), large.id)
    assert chosen and chosen.offer == large
    assert choose(offers, need(cpu_threads=Decimal(2)), small.id) is None
    assert choose(offers, need(), listing("unknown").id) is None


def test_what_is_taken_from_the_book_is_missed_by_who_looks_next() -> None:
    offers = book([listing("a", cpu="2"), listing("a", cpu="2", runtime="docker"), listing("b", cpu="1")])
    asked = need(runtimes=["process", "docker"])

    offers.take(node_id("a"), need(cpu_threads=Decimal("1.5")).size)

    assert names(rank(offers, asked)) == ["b"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"cpu_threads": Decimal(64)}, "no bee offers 64 CPU threads: the largest has 2"),
        ({"mem_gib": Decimal(128)}, "no bee offers 128 GiB of memory: the largest has 4 GiB"),
        ({"storage_gib": Decimal(50)}, "no bee offers 50 GiB of storage: the largest has 1 GiB"),
        ({"gpus": 1}, "no bee offers 1 GPU: the largest has 0"),
        ({"runtimes": ["wasm"]}, "no bee offers runtime wasm: offered are process"),
        (
            {"cpu_threads": Decimal(2)},
            "every bee that could is full: at most 1.5 CPU threads and 4 GiB of memory are free",
        ),
        ({"regions": ["eu-*"]}, "no bee that could is in region eu-*: there are us-east"),
        ({"constraints": "(a=b)"}, "none of the 1 offers that would do meets x-hive.constraints"),
        (
            {"allowed_nodes": frozenset()},
            "none of the bees that the application key allows is online with an offer that would do",
        ),
        (
            {"beside_nodes": {node_id("a")}, "spread_required": True},
            "every node that could has one of its group: x-hive.spread is required",
        ),
    ],
)
def test_it_explains_to_a_person_what_is_missing(asked: dict[str, Any], sentence: str) -> None:
    offers = book([listing("a", claimed="0.5", region="us-east")])
    assert why_nothing_fits(offers, need(**asked)) == sentence
    assert rank(offers, need(**asked)) == []


def test_it_says_so_when_there_is_nobody_at_all() -> None:
    assert why_nothing_fits(book([]), need()) == "no bee that takes work is online with an offer"
    assert rank(book([]), need()) == []


AMOUNTS = st.decimals(min_value="1e-18", max_value="10", places=18)


@settings(deadline=None)
@given(second=AMOUNTS, cpu_second=AMOUNTS, limit=AMOUNTS, threads=st.sampled_from(["0.1", "1", "7.5"]))
def test_a_bid_never_passes_the_limit(
    second: Decimal, cpu_second: Decimal, limit: Decimal, threads: str
) -> None:
    price = Price(second_glm=second, cpu_second_glm=cpu_second, start_glm=Decimal(1))
    asked = need(cpu_threads=Decimal(threads), max_price_per_hour_glm=limit)
    per_hour = price.per_hour_glm(asked.cpu_threads)

    ours = bid(Choice(offer=listing("a"), price=price, per_hour_glm=per_hour), asked)

    assert ours.per_hour_glm(asked.cpu_threads) <= min(limit, per_hour)
    assert ours.start_glm == 1
