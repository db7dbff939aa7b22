"""The book by runtime and region, and how much there is at which price: plain functions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.market.board.depth import depth
from apps.market.board.lots import Let, Lot, Wanted
from apps.market.board.rows import Row, rows


def lot(node: str, price: str, **fields: Any) -> Lot:
    given = {"runtime": "docker", "region": "eu-west", "cpu_threads": Decimal(4), "mem_gib": Decimal(8)}
    given |= {"cpu_threads_free": Decimal(4), "mem_gib_free": Decimal(8)}
    return Lot(node_id=node, thread_hour_glm=Decimal(price), **(given | fields))


def row_of(told: list[Row], runtime: str, region: str) -> Row:
    return next(row for row in told if (row.runtime, row.region) == (runtime, region))


def test_an_empty_book_has_one_row_that_says_so() -> None:
    (total,) = rows([], [], [])
    assert (total.runtime, total.region, total.offers, total.nodes) == ("*", "*", 0, 0)
    assert total.least_glm is total.median_glm is total.mean_glm is total.paid_glm is None
    assert total.share_let is None


def test_it_sums_by_runtime_and_region() -> None:
    told = rows([lot("a", "0.01"), lot("b", "0.03", region="us-east")], [], [])
    assert [(row.runtime, row.region, row.cpu_threads) for row in told] == [
        ("docker", "eu-west", 4),
        ("docker", "us-east", 4),
        ("docker", "*", 8),
        ("*", "eu-west", 4),
        ("*", "us-east", 4),
        ("*", "*", 8),
    ]
    assert row_of(told, "docker", "*").median_glm == Decimal("0.02")


def test_a_machine_with_two_runtimes_counts_once_in_all() -> None:
    """At the price of the cheaper of them."""
    told = rows([lot("a", "0.03"), lot("a", "0.01", runtime="process")], [], [])
    total = row_of(told, "*", "*")
    assert (total.cpu_threads, total.nodes, total.offers) == (4, 1, 1)
    assert (total.least_glm, total.median_glm) == (Decimal("0.01"), Decimal("0.01"))
    assert row_of(told, "docker", "*").cpu_threads == 4


def test_the_cheapest_is_one_that_can_be_had() -> None:
    full = lot("a", "0.01", cpu_threads_free=Decimal(0))
    told = row_of(rows([full, lot("b", "0.02")], [], []), "docker", "*")
    assert (told.least_glm, told.median_glm) == (Decimal("0.02"), Decimal("0.015"))
    assert row_of(rows([full], [], []), "docker", "*").least_glm is None


def test_a_large_offer_weighs_more_in_the_mean() -> None:
    told = rows([lot("a", "0.01", cpu_threads=Decimal(9)), lot("b", "0.02", cpu_threads=Decimal(1))], [], [])
    assert row_of(told, "docker", "*").mean_glm == Decimal("0.011")


def test_it_tells_what_is_let_and_what_that_pays() -> None:
    lets = [
        Let("docker", "eu-west", 2, Decimal(1), Decimal("0.01")),
        Let("docker", "us-east", 1, Decimal(3), Decimal("0.02")),
    ]
    told = rows([lot("a", "0.05"), lot("b", "0.05")], lets, [])
    everywhere = row_of(told, "docker", "*")
    assert (everywhere.agreements, everywhere.cpu_threads_let) == (3, 4)
    assert everywhere.paid_glm == Decimal("0.0175")
    assert everywhere.share_let == Decimal("0.5")
    assert row_of(told, "docker", "us-east").offers == 0
    assert row_of(told, "*", "us-east").cpu_threads_let == 3


def test_more_let_than_on_offer_is_all_of_it() -> None:
    """What runs on while its node takes nothing new."""
    let = Let("docker", "eu-west", 1, Decimal(9), Decimal("0.01"))
    assert row_of(rows([lot("a", "0.01")], [let], []), "docker", "*").share_let == 1


def test_it_counts_who_looks_by_every_runtime_they_would_take() -> None:
    wanted = [Wanted({"docker", "process"}), Wanted({"wasm"})]
    told = rows([lot("a", "0.01")], [], wanted)
    assert row_of(told, "docker", "*").demands == row_of(told, "wasm", "*").demands == 1
    assert row_of(told, "*", "*").demands == 2
    assert row_of(told, "wasm", "*").offers == 0


def test_depth_rises_with_the_price() -> None:
    half = lot("c", "0.02", cpu_threads_free=Decimal(1))
    told = depth([lot("b", "0.02"), lot("a", "0.01"), half])
    assert [(step.thread_hour_glm, step.offers, step.cpu_threads_free) for step in told] == [
        (Decimal("0.01"), 1, 4),
        (Decimal("0.02"), 3, 9),
    ]
    assert depth([]) == []


@given(
    st.lists(
        st.tuples(st.decimals("0", "9", places=3), st.decimals("0", "64", places=3), st.booleans()),
        max_size=60,
    ),
    st.integers(2, 20),
)
def test_depth_loses_nothing(offers: list[tuple[Decimal, Decimal, bool]], most: int) -> None:
    """However few steps are told: the first is the cheapest price, the last has all there is."""
    lots = [
        lot(str(number), str(price), cpu_threads=threads, cpu_threads_free=threads if free else Decimal(0))
        for number, (price, threads, free) in enumerate(offers)
    ]
    told = depth(lots, most=most)
    assert len(told) <= most
    assert told == sorted(told, key=lambda step: (step.thread_hour_glm, step.offers))
    if lots:
        assert told[0].thread_hour_glm == min(each.thread_hour_glm for each in lots)
        assert told[-1].offers == len(lots)
        assert told[-1].cpu_threads == sum(each.cpu_threads for each in lots)
        assert told[-1].cpu_threads_free == sum(each.cpu_threads_free for each in lots)
