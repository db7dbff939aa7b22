"""Why this offer and not a cheaper one: sentences from facts that are in the book."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.market.needs import Want
from apps.market.placing.matching import rank
from apps.market.placing.place import Placement, place
from apps.market.placing.reasons import because
from tests.market.listings import book, listing, names, need, node_id


def short(name: str) -> str:
    return f"{node_id(name)[:10]}…"


def told(placed: list[Placement], name: str) -> list[str]:
    return next(one.because for one in placed if one.choice and one.choice.offer.name == name)


def test_the_cheapest_needs_no_excuse() -> None:
    [found] = place(book([listing("a"), listing("b", per_hour="0.02")]), [Want(need())])
    assert found[0].because == ["the cheapest of 2 offers that meet what is asked: 0.01 GLM/h"]


def test_a_cheaper_one_that_lost_agreements_is_named_with_its_record() -> None:
    offers = book(
        [
            listing("shaky", per_hour="0.0096", cpu_single=30.0, reputation=0.6, kept=7, lost=2),
            listing("sound", per_hour="0.01", cpu_single=30.0, reputation=0.95, kept=40),
        ]
    )
    asked = need(strategy="best_value")

    best = rank(offers, asked)[0]

    assert best.offer.name == "sound"
    assert because(offers, asked, best) == [
        "the best value for its speed and reputation left of 2 offers that meet what is asked: 0.01 GLM/h",
        f"{short('shaky')} was 4 % cheaper but lost 2 of 9 agreements",
    ]


@pytest.mark.parametrize(
    ("fields", "lack"),
    [
        ({"cpu_single": 10.0}, "measured 10 CPU units a thread, not 30"),
        ({}, "has not measured its CPU"),
        ({"cpu_single": 30.0, "reputation": 0.5, "is_newcomer": True}, "is new here"),
        ({"cpu_single": 30.0, "reputation": 0.5}, "has a reputation of 0.50"),
    ],
)
def test_best_value_says_what_speaks_against_a_cheaper_one(fields: dict[str, float], lack: str) -> None:
    offers = book(
        [listing("cheap", per_hour="0.009", **fields), listing("good", per_hour="0.01", cpu_single=30.0)]
    )
    asked = need(strategy="best_value")

    best = rank(offers, asked)[0]

    assert best.offer.name == "good"
    assert because(offers, asked, best)[1:] == [f"{short('cheap')} was 10 % cheaper but {lack}"]


def test_the_nearest_is_told_with_both_distances() -> None:
    offers = book(
        [
            listing("far", per_hour="0.005", round_trip_ms=81.0),
            listing("near", per_hour="0.01", round_trip_ms=12.0),
            listing("unknown", per_hour="0.001"),
        ]
    )
    asked = need(strategy="nearest")

    ranked = rank(offers, asked)

    assert names(ranked) == ["near", "far", "unknown"]
    assert because(offers, asked, ranked[0]) == [
        "the nearest to 5 ms (12 ms away) left of 3 offers that meet what is asked: 0.01 GLM/h",
        f"{short('unknown')} was 90 % cheaper but has not been measured",
        f"{short('far')} was 50 % cheaper but is 81 ms away, not 12",
    ]


def test_within_five_milliseconds_the_price_decides() -> None:
    offers = book(
        [
            listing("dear", per_hour="0.02", round_trip_ms=11.0),
            listing("cheap", per_hour="0.01", round_trip_ms=13.0),
        ]
    )
    assert names(rank(offers, need(strategy="nearest"))) == ["cheap", "dear"]


def test_siblings_full_nodes_and_newcomers_are_told_of() -> None:
    offers = [
        listing("new", per_hour="0.01", is_newcomer=True),
        listing("newer", per_hour="0.011", is_newcomer=True),
        listing("old", per_hour="0.02"),
        listing("older", per_hour="0.03"),
        listing("full", per_hour="0.015", claimed="1.5"),
    ]

    [found] = place(book(offers), [Want(need(), 3)])

    assert told(found, "older") == [
        "the cheapest left of 5 offers that meet what is asked: 0.03 GLM/h",
        f"{short('new')} was 67 % cheaper but has one of its group already, as 1 more",
        f"{short('newer')} was 63 % cheaper but is new here, and enough of the group is on newcomers",
        f"{short('full')} was 50 % cheaper but has no room left",
    ]


def test_where_it_failed_and_what_is_too_far_from_its_kin_is_told() -> None:
    from apps.market.needs import Affinity

    offers = book(
        [
            listing("failed", per_hour="0.01", region="eu"),
            listing("away", per_hour="0.02", region="us"),
            listing("kin", per_hour="0.04", region="eu"),
        ]
    )
    asked = need(
        avoid_nodes={node_id("failed")},
        affinity=Affinity(group="db", by="region"),
        near_nodes={node_id("kin")},
    )

    best = rank(offers, asked)[0]

    assert because(offers, asked, best) == [
        "the cheapest left of 3 offers that meet what is asked: 0.04 GLM/h",
        f"{short('failed')} was 75 % cheaper but failed it lately",
        f"{short('away')} was 50 % cheaper but is not beside those it belongs to",
    ]


def test_who_was_passed_over_for_no_reason_makes_nobody_the_cheapest() -> None:
    offers = book([listing("cheap", per_hour="0.01"), listing("planned", per_hour="0.02")])
    planned = rank(offers, need())[1]

    assert because(offers, need(), planned) == ["one of 2 offers that meet what is asked: 0.02 GLM/h"]


def test_a_tenth_of_a_percent_is_told_as_such() -> None:
    offers = book([listing("a", per_hour="0.00999"), listing("b", per_hour="0.01")])
    asked = need(beside_nodes={node_id("a")}, cpu_threads=Decimal(1))
    sentence = because(offers, asked, rank(offers, asked)[0])[1]
    assert sentence == f"{short('a')} was 0.1 % cheaper but has one of its group already"


@pytest.mark.parametrize(("strategy", "lacking"), [("nearest", "distance"), ("best_value", "speed")])
def test_it_praises_nothing_that_was_not_measured(strategy: str, lacking: str) -> None:
    offers, asked = book([listing("a"), listing("b", per_hour="0.02")]), need(strategy=strategy)
    [first] = because(offers, asked, rank(offers, asked)[0])
    assert first.startswith(f"the cheapest whose {lacking} is not measured of 2 offers that meet")


def test_it_counts_one_offer_as_one() -> None:
    offers = book([listing("a")])
    [first] = because(offers, need(), rank(offers, need())[0])
    assert first == "the cheapest of 1 offer that meets what is asked: 0.01 GLM/h"
