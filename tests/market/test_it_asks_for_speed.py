"""Benchmarks as conditions and as a score: plain functions over a book, then a real demand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from agent.protocol import Benchmarks
from apps.deployments.compose.file import Benchmarks as Asked
from apps.deployments.manifest import parse_manifest
from apps.market.models import Strategy
from apps.market.needs import Need
from apps.market.negotiating.negotiation import need_of, open_demand
from apps.market.placing.matching import rank
from apps.market.placing.nearest import why_nothing_fits
from apps.market.placing.offers import live_book
from apps.market.placing.speed import MARKS
from apps.nodes.benchmarks import store
from apps.nodes.models import Node, NodeBenchmark, Offer
from apps.teams.models import Team
from tests.market.listings import book, listing, names, need


@pytest.mark.parametrize(
    ("asked", "serves"),
    [
        ({}, True),
        ({"cpu": 20.0}, True),
        ({"cpu": 20.1}, False),
        ({"round_trip_ms": 50.0}, True),
        ({"round_trip_ms": 49.0}, False),
        ({"cpu": 5.0, "down_mbit_s": 100.0}, False),
        ({"disk_read_mib_s": 1.0}, False),
    ],
)
def test_who_measured_less_than_is_asked_does_not_serve(asked: dict[str, float], serves: bool) -> None:
    offers = book([listing("a", cpu_single=20.0, round_trip_ms=50.0, down_mbit_s=80.5)])
    assert bool(rank(offers, need(benchmarks=asked))) is serves


def test_who_has_not_measured_itself_meets_no_condition() -> None:
    offers = book([listing("a")])
    assert rank(offers, need(benchmarks={"cpu": 1.0})) == []
    assert len(rank(offers, need())) == 1


def test_every_mark_is_a_figure_that_nodes_measure_and_a_key_of_the_file() -> None:
    assert {mark.figure for mark in MARKS.values()} <= set(NodeBenchmark.FIGURES)
    assert set(MARKS) == set(Asked.model_fields)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"cpu": 30.0}, "no bee measured 30 CPU units a thread: the best has 20"),
        ({"round_trip_ms": 5.0}, "no bee measured 5 ms to the Queen and back or less: the best has 10"),
        (
            {"up_mbit_s": 5.0},
            "no bee measured 5 Mbit/s up: none that could has measured itself yet",
        ),
        ({"cpu": 15.0, "round_trip_ms": 20.0}, "no bee meets all of x-hive.benchmarks at once"),
    ],
)
def test_it_explains_to_a_person_what_no_bee_has(asked: dict[str, float], sentence: str) -> None:
    offers = [
        listing("quick", cpu_single=20.0, round_trip_ms=90.0),
        listing("near", cpu_single=10.0, round_trip_ms=10.0),
        listing("new"),
    ]
    assert why_nothing_fits(book(offers), need(benchmarks=asked)) == sentence


def test_who_is_fast_but_full_is_told_apart_from_who_is_slow() -> None:
    offers = [listing("quick", cpu_single=20.0, claimed="1.5"), listing("slow", cpu_single=5.0)]
    told = why_nothing_fits(book(offers), need(benchmarks={"cpu": 10.0}))
    assert told == "every bee that could is full: at most 0.5 CPU threads and 4 GiB of memory are free"


def test_the_best_value_is_the_lowest_price_for_the_same_work() -> None:
    offers = [
        listing("cheap", cpu_single=10.0, per_hour="0.01"),
        listing("quick", cpu_single=40.0, per_hour="0.03"),
        listing("unknown", per_hour="0.001"),
        listing("obscure", per_hour="0.002"),
    ]
    assert names(rank(book(offers), need())) == ["unknown", "obscure", "cheap", "quick"]
    valued = need(strategy=Strategy.BEST_VALUE)
    assert names(rank(book(offers), valued)) == ["quick", "cheap", "unknown", "obscure"]


def test_a_compose_file_asks_for_speed() -> None:
    text = """
x-hive: {strategy: best_value, benchmarks: {cpu: 15, round_trip_ms: 80}}
services:
  web: {image: a, x-hive: {benchmarks: {cpu: "30.5"}}}
  worker: {image: b}
"""
    services = parse_manifest(text).services
    assert services["web"].benchmarks == {"cpu": 30.5, "round_trip_ms": 80.0}
    assert services["worker"].benchmarks == {"cpu": 15.0, "round_trip_ms": 80.0}
    assert services["worker"].strategy == "best_value"


def test_a_running_replica_is_not_replaced_for_a_new_wish() -> None:
    text = "services: {web: {image: a, x-hive: {benchmarks: {cpu: 1}}}}"
    before, after = (parse_manifest(each).services["web"] for each in (text, text.replace("1", "2")))
    assert before.benchmarks != after.benchmarks
    assert before.recipe == after.recipe


@pytest.mark.django_db
def test_a_demand_finds_the_node_that_measured_what_it_asks(
    team: Team, make_node: Callable[..., Node], make_offer: Callable[..., Offer]
) -> None:
    slow, quick, new = make_node(), make_node(), make_node()
    for node, units in ((slow, 10.0), (quick, 40.0)):
        store(
            node_id=node.id, said=Benchmarks(at_ms=int(timezone.now().timestamp() * 1000), cpu_single=units)
        )
    for node in (slow, quick, new):
        make_offer(node)
    demand = open_demand(
        team=team,
        reference="replica:test",
        image="hive/hello:1",
        need=Need(
            runtimes=["process"],
            cpu_threads=Decimal("0.5"),
            mem_gib=Decimal("0.5"),
            benchmarks={"cpu": 30.0},
            strategy=Strategy.BEST_VALUE,
        ),
        give_up_at=timezone.now() + timedelta(minutes=5),
    )
    demand.refresh_from_db()

    assert [choice.offer.node_id for choice in rank(live_book(), need_of(demand))] == [quick.id]


@pytest.mark.django_db
def test_benchmarks_come_with_the_offers_in_one_query(
    make_node: Callable[..., Node],
    make_offer: Callable[..., Offer],
    django_assert_num_queries: Callable[..., object],
) -> None:
    for _ in range(3):
        make_offer(make_node())
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        rank(live_book(), need(benchmarks={"cpu": 1.0}))
