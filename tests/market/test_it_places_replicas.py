"""Placing is plain arithmetic over a book: room, spread, affinity, newcomers, and what to say of it."""

from __future__ import annotations

from decimal import Decimal

from apps.market.needs import Affinity, Want
from apps.market.placing import Placement, place
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


def test_siblings_that_run_already_count() -> None:
    offers = book([listing("a", per_hour="0.01"), listing("b", per_hour="0.02")])
    [found] = place(offers, [Want(need(beside_nodes={node_id("a")}), 1)])
    assert where(found) == ["b"]
