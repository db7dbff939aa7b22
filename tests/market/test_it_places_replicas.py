"""Placing is plain arithmetic over a book: room, spread, affinity, newcomers, and what to say of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.market.needs import Affinity, Want
from apps.market.placing.book import Book
from apps.market.placing.matching import rank, within_limit
from apps.market.placing.place import Placement, place
from tests.market.listings import book, listing, need, node_id


def where(placements: list[Placement]) -> list[str | None]:
    return [one.choice.offer.name if one.choice else None for one in placements]


def test_replicas_spread_over_nodes_and_then_fill_them() -> None:
    offers = book([listing("cheap", cpu="2", per_hour="0.01"), listing("dear", cpu="1", per_hour="0.02")])

    [found] = place(offers, [Want(need(), 4)])

    assert where(found) == ["cheap", "dear", "cheap", None]
    assert (
        found[3].reason == "every bee that could is full: at most 0 CPU threads and 3 GiB of memory are free"
    )
    assert offers.free[offers.nodes[node_id("cheap")]].tolist()[:2] == [2000, 4000]


def test_one_above_the_limit_is_told_with_both_prices() -> None:
    offers = book([listing("a", per_hour="0.036")])

    [[one]] = place(offers, [Want(need(max_price_per_hour_glm=Decimal("0.001")))])

    assert one.node_id is None
    assert one.reason == "the cheapest fitting offer is 0.036 GLM/h, above the limit of 0.001 GLM/h"


def test_the_cheapest_that_is_told_is_the_cheapest_and_not_the_most_wanted() -> None:
    offers = book([listing("failed", per_hour="0.02"), listing("wanted", per_hour="0.09")])
    asked = need(max_price_per_hour_glm=Decimal("0.001"), avoid_nodes={node_id("failed")})

    [[one]] = place(offers, [Want(asked)])

    assert one.reason == "the cheapest fitting offer is 0.02 GLM/h, above the limit of 0.001 GLM/h"


def test_a_price_above_the_limit_never_looks_like_it() -> None:
    offers = book([listing("a", per_hour="0.12345649")])

    [[one]] = place(offers, [Want(need(max_price_per_hour_glm=Decimal("0.123456")))])

    assert one.reason == "the cheapest fitting offer is 0.123457 GLM/h, above the limit of 0.123456 GLM/h"


def test_what_one_service_takes_the_next_cannot_have() -> None:
    offers = book([listing("a", cpu="1"), listing("b", cpu="1", per_hour="0.02")])

    first, second, third = place(offers, [Want(need()), Want(need()), Want(need())])

    assert sorted(where(first) + where(second) + where(third), key=str) == [None, "a", "b"]


def test_offers_of_one_node_share_its_room() -> None:
    offers = book([listing("a", cpu="2"), listing("a", cpu="2", runtime="docker")])

    native, contained = place(offers, [Want(need(), 2), Want(need(runtimes=["docker"]), 1)])

    assert sorted(where(native) + where(contained), key=str) == [None, "a", "a"]


def test_storage_and_gpus_are_room_too() -> None:
    offers = book(
        [
            listing("a", storage_gib=Decimal(30), gpus=1),
            listing("b", storage_gib=Decimal(10), per_hour="0.02"),
        ]
    )

    [found] = place(offers, [Want(need(storage_gib=Decimal(20)), 2)])
    assert where(found) == ["a", None]
    [found] = place(offers, [Want(need(gpus=1), 2)])
    assert where(found) == ["a", None]


def owners(*of: int) -> list[object]:
    return [
        listing(f"n{number}", owner_id=owner, per_hour=f"0.0{number}") for number, owner in enumerate(of, 1)
    ]


def test_a_group_is_spread_over_owners_before_their_second_nodes_are_taken() -> None:
    [found] = place(book(owners(1, 1, 2, 3)), [Want(need(spread="owner"), 4)])
    assert where(found) == ["n1", "n3", "n4", "n2"]


def test_a_group_that_must_be_spread_rather_waits() -> None:
    [found] = place(book(owners(1, 1, 2)), [Want(need(spread="owner", spread_required=True), 3)])

    assert where(found) == ["n1", "n3", None]
    assert found[2].reason == "every owner that could has one of its group: x-hive.spread is required"


def test_a_group_is_spread_over_regions_evenly() -> None:
    offers = [
        listing(name, region=region, per_hour=f"0.0{number}", cpu="1")
        for number, (name, region) in enumerate(
            [("e1", "eu"), ("e2", "eu"), ("e3", "eu"), ("u1", "us"), ("u2", "us")], 1
        )
    ]
    [found] = place(book(offers), [Want(need(spread="region"), 4)])
    assert where(found) == ["e1", "u1", "e2", "u2"]


def test_who_must_be_in_another_region_is_not_put_where_the_region_is_unknown() -> None:
    offers = book(
        [
            listing("here", region="eu", per_hour="0.01"),
            listing("somewhere", region="", per_hour="0.02"),
            listing("there", region="us", per_hour="0.03"),
        ]
    )
    [found] = place(
        offers, [Want(need(spread="region", spread_required=True, beside_nodes=[node_id("here")]), 2)]
    )
    assert where(found) == ["there", None]


def test_the_spread_strategy_prefers_other_regions_then_other_owners() -> None:
    offers = [
        listing("a", region="eu", owner_id=1, per_hour="0.01"),
        listing("b", region="eu", owner_id=1, per_hour="0.02"),
        listing("c", region="eu", owner_id=2, per_hour="0.03"),
        listing("d", region="us", owner_id=1, per_hour="0.04"),
    ]
    [found] = place(book(offers), [Want(need(strategy="spread"), 4)])
    assert where(found) == ["a", "d", "c", "b"]


def test_who_belongs_together_is_placed_together_whatever_the_order() -> None:
    offers = book(
        [
            listing("cheap", region="us", per_hour="0.01"),
            listing("big", cpu="8", region="eu", per_hour="0.05"),
        ]
    )
    beside = Affinity(group="db", by="region", required=True)
    web = Want(need(group="web", affinity=beside))
    db = Want(need(group="db", cpu_threads=Decimal(4)))

    placed_web, placed_db = place(offers, [web, db])

    assert (where(placed_web), where(placed_db)) == (["big"], ["big"])


def test_an_affinity_that_is_a_wish_gives_way() -> None:
    offers = book([listing("full", cpu="1", per_hour="0.01"), listing("other", per_hour="0.02")])
    asked = need(affinity=Affinity(group="db"), near_nodes={node_id("full")})

    [found] = place(offers, [Want(asked, 2)])

    assert where(found) == ["full", "other"]


def test_what_has_to_be_beside_somebody_who_is_nowhere_waits() -> None:
    asked = need(affinity=Affinity(group="db", required=True))

    [[one]] = place(book([listing("a")]), [Want(asked)])

    assert one.reason == "it waits for those beside whom it has to be: x-hive.affinity is required"


def test_a_third_of_a_group_at_most_goes_to_newcomers_while_others_serve() -> None:
    fresh = [listing(f"new{n}", is_newcomer=True, per_hour="0.01") for n in range(6)]
    proven = [listing(f"old{n}", per_hour="0.02") for n in range(5)]

    [found] = place(book(fresh + proven), [Want(need(), 6)])
    assert sorted(name[:3] for name in where(found) if name) == ["new"] * 2 + ["old"] * 4

    [found] = place(book(fresh + proven), [Want(need(), 10)])
    assert sum(name.startswith("new") for name in where(found) if name) == 5
    assert None not in where(found)


def test_a_service_of_one_may_start_on_a_newcomer() -> None:
    offers = book([listing("new", is_newcomer=True, per_hour="0.01"), listing("old", per_hour="0.02")])
    [found] = place(offers, [Want(need())])
    assert where(found) == ["new"]


@pytest.mark.parametrize("replicas", [2, 3, 4])
def test_no_service_of_several_stands_on_newcomers_alone(replicas: int) -> None:
    """However much cheaper they are, and one that is added to a newcomer goes to a proven node."""
    fresh = [listing(f"new{n}", is_newcomer=True, per_hour="0.001") for n in range(4)]
    offers = book([*fresh, *(listing(f"old{n}", per_hour="0.02") for n in range(4))])
    [found] = place(offers, [Want(need(), replicas)])
    assert sorted(name[:3] for name in where(found) if name) == ["new", *["old"] * (replicas - 1)]
    [added] = place(offers, [Want(need(beside_nodes={node_id("new0")}))])
    assert [name[:3] for name in where(added) if name] == ["old"]


def test_siblings_that_run_already_count() -> None:
    offers = book([listing("a", per_hour="0.01"), listing("b", per_hour="0.02")])
    [found] = place(offers, [Want(need(beside_nodes={node_id("a")}), 1)])
    assert where(found) == ["b"]


SIZE = st.sampled_from(["0.5", "1", "2", "4"])
PRICE = st.sampled_from(["0.01", "0.012", "0.02", "0.05"])
NODES = st.lists(
    st.fixed_dictionaries(
        {
            "cpu": SIZE,
            "mem": SIZE,
            "per_hour": PRICE,
            "owner_id": st.integers(1, 3),
            "region": st.sampled_from(["", "eu", "us"]),
            "gpus": st.integers(0, 1),
            "is_newcomer": st.booleans(),
            "runtimes": st.sampled_from([("process",), ("process", "docker")]),
        }
    ),
    min_size=1,
    max_size=7,
)
WANTS = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {
                "cpu_threads": SIZE.map(Decimal),
                "mem_gib": SIZE.map(Decimal),
                "gpus": st.sampled_from([0, 0, 1]),
                "runtimes": st.sampled_from([["process"], ["docker"], ["docker", "process"]]),
                "regions": st.sampled_from([(), ("eu",)]),
                "spread": st.sampled_from(["node", "owner", "region"]),
                "spread_required": st.booleans(),
                "strategy": st.sampled_from(["cheapest", "best_value", "spread", "nearest"]),
                "max_price_per_hour_glm": st.sampled_from([None, Decimal("0.03")]),
            }
        ),
        st.integers(1, 4),
    ),
    min_size=1,
    max_size=4,
)


def market(drawn: list[dict[str, Any]]) -> Book:
    return book(
        listing(f"n{number}", runtime=runtime, **{key: one[key] for key in one if key != "runtimes"})
        for number, one in enumerate(drawn)
        for runtime in one["runtimes"]
    )


@settings(deadline=None)
@given(NODES, WANTS)
def test_no_placing_sells_more_than_there_is_or_breaks_what_is_required(
    drawn: list[dict[str, Any]], asked: list[tuple[dict[str, Any], int]]
) -> None:
    offers = market(drawn)
    before = offers.free.copy()
    wants = [Want(need(**fields, group=f"g{number}"), count) for number, (fields, count) in enumerate(asked)]

    placed = place(offers, wants)

    assert (offers.free == before).all()
    for want, found in zip(wants, placed, strict=True):
        assert len(found) == want.count
        for one in found:
            if one.choice is None:
                assert one.reason
                continue
            offers.take(one.choice.offer.node_id, want.need.size)
            assert one.choice.offer.runtime in want.need.runtimes
            assert within_limit(one.choice, want.need)
            assert not want.need.regions or one.choice.offer.region == "eu"
            assert one.choice.offer.gpus >= want.need.gpus
        places = [place_of(one, want.need.spread) for one in found if one.choice]
        assert not want.need.spread_required or len(set(places)) == len(places)
        # And who found no place would find none now.
        if any(one.choice is None for one in found):
            there = [one.node_id for one in found if one.node_id]
            assert (
                rank(offers, replace(want.need, beside_nodes=there), affordable=True) == []
                or want != wants[-1]
            )
    assert (offers.free >= 0).all()


def place_of(one: Placement, by: str) -> object:
    assert one.choice
    offer = one.choice.offer
    return {"node": offer.node_id, "owner": offer.owner_id, "region": offer.region}[by]


@settings(deadline=None)
@given(NODES, WANTS)
def test_placing_and_negotiating_choose_by_the_same_order(
    drawn: list[dict[str, Any]], asked: list[tuple[dict[str, Any], int]]
) -> None:
    """One service alone is placed as its replicas would be one after the other."""
    fields, count = asked[0]
    offers, wanted = market(drawn), need(**fields)

    [found] = place(offers, [Want(wanted, count)])

    for number, one in enumerate(found):
        # How many newcomers serve is a share of all that are wanted, which one alone doesn't know.
        if any(each["is_newcomer"] for each in drawn):
            break
        best = rank(
            offers, replace(wanted, beside_nodes=[each.node_id for each in found[:number]]), affordable=True
        )
        assert one.choice == (best[0] if best else None)
        if one.choice:
            offers.take(one.choice.offer.node_id, wanted.size)


@settings(deadline=None)
@given(NODES, WANTS)
def test_changing_places_costs_nobody_anything(
    drawn: list[dict[str, Any]], asked: list[tuple[dict[str, Any], int]]
) -> None:
    offers = market(drawn)
    wants = [
        Want(need(**{**fields, "strategy": "cheapest"}, group=f"g{number}"), count)
        for number, (fields, count) in enumerate(asked)
    ]
    with_changes = place(offers, wants)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("apps.market.placing.place.better", lambda *_: None)
        without = place(offers, wants)

    assert [len(where_known(found)) for found in with_changes] == [
        len(where_known(found)) for found in without
    ]
    assert total(with_changes) <= total(without)


def where_known(found: list[Placement]) -> list[str]:
    return [one.node_id for one in found if one.node_id]


def total(placed: list[list[Placement]]) -> Decimal:
    return sum((one.price_per_hour_glm or Decimal(0) for found in placed for one in found), Decimal(0))


def test_the_whole_gets_cheaper_when_somebody_makes_room() -> None:
    """The small one took the last of the cheap node, where the large one saves four times as much."""
    offers = book(
        [
            listing("cheap", cpu="4", mem="8", cpu_second_glm=Decimal("0.000001"), per_hour="0"),
            listing("dear", cpu="4", mem="8", cpu_second_glm=Decimal("0.000002"), per_hour="0"),
        ]
    )
    small = Want(need(cpu_threads=Decimal(1), mem_gib=Decimal(1), max_price_per_hour_glm=Decimal("0.0073")))
    large = Want(need(cpu_threads=Decimal(4)))

    placed_small, placed_large = place(offers, [small, large])

    assert (where(placed_small), where(placed_large)) == (["dear"], ["cheap"])


def test_nobody_leaves_those_who_were_placed_beside_them() -> None:
    """As above, but there is somebody who has to be where the small one is."""
    offers = book(
        [
            listing("cheap", cpu="4.5", mem="8", cpu_second_glm=Decimal("0.000001"), per_hour="0"),
            listing("dear", cpu="5", mem="8", cpu_second_glm=Decimal("0.000002"), per_hour="0"),
        ]
    )
    small = Want(need(group="small"))
    kin = Want(need(cpu_threads=Decimal("0.5"), affinity=Affinity(group="small", required=True)))
    large = Want(need(cpu_threads=Decimal(4)))

    placed_small, placed_kin, _ = place(offers, [small, kin, large])

    assert where(placed_kin) == where(placed_small)
