"""1,000 replicas of 24 services placed over 10,000 offers: computing, growth, price beside the optimum.

Counted is all that a plan asks of the market: the book is read from PostgreSQL, which also finds who meets
each filter, every replica is placed and has its reasons. The seconds are of computing on one core: those of
this process and those of its connection's process in the database together, which has no helpers here.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks import placing_market
from benchmarks.computing import computed_s
from benchmarks.figure import Figure
from benchmarks.placing_optimum import check, least_total_glm
from benchmarks.queen import queen

if TYPE_CHECKING:
    from apps.market.needs import Want
    from apps.market.placing.book import Book
    from apps.market.placing.place import Placement

REPLICAS = 1000
FEW, MANY = 10_000, 100_000
RUNS = 5
LIMIT_S = 1.0


def measure() -> Iterator[Figure]:
    with queen():
        _alone()
        wants = placing_market.services(REPLICAS)
        placing_market.fill(FEW)
        few_s, read_s, book, placed = _least(wants)
        yield Figure(
            name="placing",
            value=few_s,
            unit="s",
            peer="the limit",
            peer_value=LIMIT_S,
            target=1.0,
            at_least=False,
            note=f"{REPLICAS} replicas of {len(wants)} services, {FEW:,} offers; "
            f"{read_s:.2f} s of it to read the book and ask it {len(placing_market.FILTERS)} filters",
        )
        check(book, wants, placed)
        yield _price(book, wants, placed)
        placing_market.fill(MANY - FEW, beside=FEW)
        many_s, *_ = _least(wants)
        yield Figure(
            name="placing: growth",
            value=math.log(many_s / few_s, MANY / FEW),
            unit="exponent",
            peer="linear",
            peer_value=1.0,
            target=1.1,
            at_least=False,
            note=f"{many_s:.2f} s over {MANY:,} offers: {many_s / MANY * 1e6:.1f} µs an offer, "
            f"{few_s / FEW * 1e6:.1f} over {FEW:,}",
        )


def _price(book: Book, wants: list[Want], placed: list[list[Placement]]) -> Figure:
    ours = float(sum(one.price_per_hour_glm or 0 for each in placed for one in each))
    begun = time.perf_counter()
    least = least_total_glm(book, wants)
    return Figure(
        name="placing: price",
        value=ours,
        unit="GLM/h",
        peer="OR-Tools' optimum of the same problem",
        peer_value=least,
        target=1.02,
        at_least=False,
        note=f"{REPLICAS} replicas over {FEW:,} offers; SCIP took {time.perf_counter() - begun:.0f} s, "
        f"and proves no lower price to be possible",
    )


def _least(wants: list[Want]) -> tuple[float, float, Book, list[list[Placement]]]:
    """The quickest of some runs, and how much of it went into reading."""
    runs = [_once(wants) for _ in range(RUNS)]
    return min(runs, key=lambda run: run[0])


def _once(wants: list[Want]) -> tuple[float, float, Book, list[list[Placement]]]:
    from apps.market.placing.offers import live_book
    from apps.market.placing.place import place

    gc.collect()
    begun = computed_s()
    book = live_book()
    for text in placing_market.FILTERS:
        book.meets(text)
    read_s = computed_s() - begun
    placed = place(book, wants)
    return computed_s() - begun, read_s, book, placed


def _alone() -> None:
    """One core: no second process of the database helps with a query."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather = 0")
