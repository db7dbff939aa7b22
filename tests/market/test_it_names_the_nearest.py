"""What could be placed if a little less were asked: plain functions over a book."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.market.needs import Affinity, Need, Want
from apps.market.placing.matching import rank
from apps.market.placing.nearest import Near, nearest
from apps.market.placing.place import place
from tests.market.listings import book, listing, need, node_id


@pytest.mark.parametrize(
    ("asked", "instead"),
    [
        ({"cpu_threads": Decimal(3)}, "2 CPU threads instead of 3"),
        ({"mem_gib": Decimal(5)}, "4 GiB of memory instead of 5 GiB"),
        ({"storage_gib": Decimal(10)}, "1 GiB of storage instead of 10 GiB"),
        ({"gpus": 2}, "1 GPU instead of 2"),
        ({"runtimes": ["docker"]}, "runtime process"),
        ({"regions": ["us-*"]}, "region eu-west instead of us-*"),
        ({"constraints": "(a=b)"}, "no x-hive.constraints"),
        ({"benchmarks": {"cpu": 40.0}}, "30 CPU units a thread instead of 40"),
        ({"benchmarks": {"round_trip_ms": 10.0}}, "20 ms to the Queen and back instead of 10"),
        ({"max_price_per_hour_glm": Decimal("0.008")}, "0.01 GLM/h instead of at most 0.008"),
        (
            {"beside_nodes": {node_id("a")}, "spread_required": True},
            "sharing a node with another of its group",
        ),
        (
            {"beside_nodes": {node_id("a")}, "spread_required": True, "spread": "owner"},
            "sharing an owner with another of its group",
        ),
        (
            {"affinity": Affinity(group="db", required=True), "near_nodes": {"0x12"}},
            "not on the same node as those beside whom it has to be",
        ),
    ],
)
def test_one_thing_that_is_asked_gives_way(asked: dict[str, Any], instead: str) -> None:
    offers = book([listing("a", cpu_single=30.0, round_trip_ms=20.0, gpus=1, region="eu-west")])

    near = nearest(offers, need(**asked))

    assert near and near.instead == [instead]
    assert str(near) == f"with {instead} it fits bee a ({node_id('a')[:10]}…) at 0.01 GLM/h"
    assert [choice.offer.name for choice in rank(offers, near.need, affordable=True)] == ["a"]


def test_the_least_change_comes_first_and_one_change_before_two() -> None:
    offers = book(
        [
            listing("half", cpu="2", per_hour="0.01"),
            listing("most", cpu="3", per_hour="0.02"),
            listing("two", cpu="3.9", mem="0.9", per_hour="0.01"),
        ]
    )
    near = nearest(offers, need(cpu_threads=Decimal(4)))
    assert near and near.choice.offer.name == "most"


def test_what_is_free_counts_and_not_what_there_is() -> None:
    near = nearest(book([listing("a", claimed="1.5")]), need())
    assert near and near.instead == ["0.5 CPU threads instead of 1"]


def test_two_things_may_have_to_give_way() -> None:
    offers = book([listing("a", region="us", cpu="1")])
    near = nearest(offers, need(cpu_threads=Decimal(2), regions=["eu"]))
    assert near and near.instead == ["1 CPU thread instead of 2", "region us instead of eu"]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"allowed_nodes": frozenset()},
        {"benchmarks": {"up_mbit_s": 1.0}},
    ],
)
def test_there_is_none_when_it_fits_or_nothing_asked_could_help(asked: dict[str, Any]) -> None:
    assert nearest(book([listing("a")]), need(**asked)) is None
    assert nearest(book([]), need(**asked)) is None


def test_who_found_no_place_is_told_the_nearest_after_all_others_are_placed() -> None:
    [found] = place(book([listing("a", cpu="2.5", mem="8")]), [Want(need(), 3)])
    assert str(found[2].nearest).startswith("with 0.5 CPU threads instead of 1 it fits bee a")


SIZE = st.sampled_from(["0.5", "1", "2", "4", "8"])
PRICE = st.sampled_from(["0.004", "0.01", "0.02", "0.05", "0.020000049", "0.0200001", "0.12345649"])
LISTINGS = st.lists(
    st.fixed_dictionaries(
        {
            "cpu": SIZE,
            "mem": SIZE,
            "per_hour": PRICE,
            "region": st.sampled_from(["", "eu-west", "us-east"]),
            "runtime": st.sampled_from(["process", "docker"]),
            "gpus": st.integers(0, 2),
            "cpu_single": st.sampled_from([None, 10.0, 29.9999, 30.0]),
        }
    ),
    min_size=1,
    max_size=6,
)
NEEDS = st.fixed_dictionaries(
    {
        "cpu_threads": SIZE.map(Decimal),
        "mem_gib": SIZE.map(Decimal),
        "gpus": st.integers(0, 2),
        "regions": st.sampled_from([(), ("eu-*",), ("ap-*", "us-*")]),
        "runtimes": st.sampled_from([["process"], ["docker", "process"], ["wasm"]]),
        "max_price_per_hour_glm": st.none() | PRICE.map(Decimal),
        "benchmarks": st.sampled_from([{}, {"cpu": 20.0}, {"cpu": 30.0}]),
    }
)


def as_told(near: Near) -> Need:
    """What somebody would ask for who goes by the words."""
    asked = near.need
    for words in near.instead:
        number = words.split(" ")[0]
        if " GLM/h instead of" in words:
            asked = replace(asked, max_price_per_hour_glm=Decimal(number))
        elif " CPU units a thread instead of" in words:
            asked = replace(asked, benchmarks={"cpu": float(number)})
    return asked


@settings(deadline=None)
@given(LISTINGS, NEEDS)
def test_the_nearest_would_really_do(drawn: list[dict[str, Any]], asked: dict[str, Any]) -> None:
    offers = book(listing(f"n{number}", **one) for number, one in enumerate(drawn))
    fits = rank(offers, need(**asked), affordable=True)

    near = nearest(offers, need(**asked))

    if fits:
        assert near is None
    elif near:
        assert near.instead
        for would_do in (near.need, as_told(near)):
            assert near.choice in rank(offers, would_do, affordable=True)
    else:
        # Only a speed that nobody has measured can't be asked for less.
        assert asked["benchmarks"]
        assert all(one["cpu_single"] is None for one in drawn)


def test_what_can_not_be_written_is_not_proposed() -> None:
    nowhere = nearest(book([listing("a")]), need(regions=["eu-*"]))
    assert nowhere and nowhere.instead == ["no x-hive.region"]
    bare = nearest(book([listing("a")]), need(gpus=2))
    assert bare and bare.instead == ["no GPUs"]
