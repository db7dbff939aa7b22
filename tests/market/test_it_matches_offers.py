"""Matching, ranking, bidding and quoting are plain functions: unsaved offers, no database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from agent.protocol import Price
from apps.market.matching import Choice, Need, bid, fits, rank, why_nothing_fits
from apps.market.quotes import quote_each
from apps.nodes.models import Node, Offer


def bee(name: str, *, cpu: str = "2", mem: str = "4", claimed: str = "0", heard_s_ago: float = 0) -> Node:
    return Node(
        id="0x" + name.encode().hex().ljust(40, "0"),
        name=name,
        cpu_threads=Decimal(cpu),
        mem_gib=Decimal(mem),
        cpu_threads_claimed=Decimal(claimed),
        last_seen_at=timezone.now() - timedelta(seconds=heard_s_ago),
    )


def offer(node: Node, *, per_hour: str = "0.01", runtime: str = "process", **fields: Any) -> Offer:
    """`per_hour` in GLM, all of it by the second."""
    given = {"cpu_threads": node.cpu_threads, "mem_gib": node.mem_gib, "storage_gib": Decimal(1)}
    return Offer(
        node=node,
        runtime=runtime,
        start_glm=Decimal(0),
        cpu_second_glm=Decimal(0),
        second_glm=Decimal(per_hour) / 3600,
        egress_gib_glm=Decimal(0),
        **(given | fields),
    )


def need(**fields: Any) -> Need:
    return Need(**({"runtimes": ["process"], "cpu_threads": Decimal(1), "mem_gib": Decimal(1)} | fields))


def names(choices: Sequence[Choice]) -> list[str]:
    return [choice.offer.node.name for choice in choices]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({}, None),
        ({"runtimes": ["docker", "qemu"]}, "offers process, not docker or qemu"),
        ({"cpu_threads": Decimal(64)}, "has 2 CPU threads"),
        ({"mem_gib": Decimal("4.5")}, "has 4 GiB of memory"),
        ({"cpu_threads": Decimal("1.75")}, "has only 1.5 CPU threads free"),
    ],
)
def test_it_says_why_an_offer_does_not_fit(asked: dict[str, Any], why: str | None) -> None:
    assert fits(offer(bee("a", claimed="0.5")), need(**asked)) == why


def test_the_cheapest_comes_first_and_the_lately_heard_wins_a_tie() -> None:
    offers = [
        offer(bee("dear"), per_hour="0.03"),
        offer(bee("quiet", heard_s_ago=9), per_hour="0.01"),
        offer(bee("lively", heard_s_ago=1), per_hour="0.01"),
    ]

    assert names(rank(offers, need())) == ["lively", "quiet", "dear"]


def test_a_node_to_avoid_is_taken_only_when_nobody_else_serves() -> None:
    here, there = bee("here"), bee("there")
    offers = [offer(here, per_hour="0.01"), offer(there, per_hour="0.02")]

    assert names(rank(offers, need(avoid_nodes={here.id}))) == ["there", "here"]


def test_beside_a_sibling_is_better_than_where_it_failed() -> None:
    failed, beside, free = bee("failed"), bee("beside"), bee("free")
    offers = [offer(failed, per_hour="0.01"), offer(beside, per_hour="0.02"), offer(free, per_hour="0.03")]

    asked = need(avoid_nodes={failed.id}, beside_nodes={beside.id})
    assert names(rank(offers, asked)) == ["free", "beside", "failed"]


def test_the_better_runtime_wins_at_the_same_price() -> None:
    node = bee("a")
    offers = [offer(node, runtime="process"), offer(node, runtime="docker")]

    best, _ = rank(offers, need(runtimes=["docker", "process"]))
    assert best.offer.runtime == "docker"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"cpu_threads": Decimal(64)}, "no bee offers 64 CPU threads: the largest has 2"),
        ({"mem_gib": Decimal(128)}, "no bee offers 128 GiB of memory: the largest has 4 GiB"),
        ({"runtimes": ["wasm"]}, "no bee offers runtime wasm: offered are process"),
        (
            {"cpu_threads": Decimal(2)},
            "every bee that could is full: at most 1.5 CPU threads and 4 GiB are free",
        ),
    ],
)
def test_it_explains_to_a_person_what_is_missing(asked: dict[str, Any], sentence: str) -> None:
    assert why_nothing_fits([offer(bee("a", claimed="0.5"))], need(**asked)) == sentence


def test_it_says_so_when_there_is_nobody_at_all() -> None:
    assert why_nothing_fits([], need()) == "no bee that takes work is online with an offer"


AMOUNTS = st.decimals(min_value="1e-18", max_value="10", places=18)


@given(second=AMOUNTS, cpu_second=AMOUNTS, limit=AMOUNTS, threads=st.sampled_from(["0.1", "1", "7.5"]))
def test_a_bid_never_passes_the_limit(
    second: Decimal, cpu_second: Decimal, limit: Decimal, threads: str
) -> None:
    price = Price(second_glm=second, cpu_second_glm=cpu_second, start_glm=Decimal(1))
    asked = need(cpu_threads=Decimal(threads), max_price_per_hour_glm=limit)
    per_hour = price.per_hour_glm(asked.cpu_threads)

    ours = bid(Choice(offer=offer(bee("a")), price=price, per_hour_glm=per_hour), asked)

    assert ours.per_hour_glm(asked.cpu_threads) <= min(limit, per_hour)
    assert ours.start_glm == 1


def test_quotes_spread_over_nodes_and_then_fill_them() -> None:
    cheap, dear = bee("cheap", cpu="2"), bee("dear", cpu="1")
    offers = [offer(cheap, per_hour="0.01"), offer(dear, per_hour="0.02")]

    found = quote_each(offers, need(), count=4)

    assert [quote.node_id for quote in found] == [cheap.id, dear.id, cheap.id, None]
    assert found[3].reason == "every bee that could is full: at most 0 CPU threads and 3 GiB are free"
    assert (cheap.cpu_threads_claimed, dear.cpu_threads_claimed) == (0, 0)


def test_a_quote_above_the_limit_names_both_prices() -> None:
    dear = offer(bee("a"), per_hour="0.036")

    [quote] = quote_each([dear], need(max_price_per_hour_glm=Decimal("0.001")), count=1)

    assert quote.node_id is None
    assert quote.reason == "the cheapest fitting offer is 0.036 GLM/h, above the limit of 0.001 GLM/h"
