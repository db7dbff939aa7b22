"""The book as the database tells it: who takes work, what is believed and left, and in how many queries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from agent.protocol import Benchmarks
from apps.market.models import NodeReputation
from apps.market.needs import Need, Want
from apps.market.placing.matching import rank
from apps.market.placing.offers import live_book
from apps.market.placing.place import place
from apps.market.placing.quotes import quotes
from apps.nodes.benchmarks import store
from apps.nodes.capacity import claim
from apps.nodes.models import Node, NodeState, Offer, Scheduling
from apps.nodes.sizes import Size
from apps.teams.models import User
from tests.market.listings import need

pytestmark = pytest.mark.django_db

MakeNode = Callable[..., Node]
MakeOffer = Callable[..., Offer]
Queries = Callable[..., object]


def small(**fields: object) -> Need:
    return need(cpu_threads=Decimal("0.5"), mem_gib=Decimal("0.5"), **fields)


def test_only_offers_that_can_be_taken_are_listed(make_node: MakeNode, make_offer: MakeOffer) -> None:
    taken = make_offer(make_node())
    for fields in (
        {"approved_at": None},
        {"state": NodeState.UNKNOWN},
        {"scheduling": Scheduling.CORDONED},
    ):
        make_offer(make_node(**fields))
    Offer.objects.filter(pk=make_offer(make_node()).pk).update(
        deadline_at=timezone.now() - timedelta(seconds=1)
    )

    assert [one.id for one in live_book().listings] == [taken.pk]


def test_a_region_that_is_not_believed_is_none(make_node: MakeNode, make_offer: MakeOffer) -> None:
    here = make_offer(make_node(region="eu-west"))
    make_offer(make_node(region="eu-west", region_fault="too far away for that"))

    book = live_book()

    assert sorted(one.region for one in book.listings) == ["", "eu-west"]
    assert [one.offer.id for one in rank(book, small(regions=["eu-*"]))] == [here.pk]


def test_what_is_claimed_is_not_left(make_node: MakeNode, make_offer: MakeOffer) -> None:
    node = make_node(storage_gib=Decimal(20), gpus=2)
    make_offer(node)
    claim(node_id=node.pk, size=Size(Decimal(1), Decimal(2), Decimal(5), 1))

    [one] = live_book().listings

    left = (one.free_cpu_threads, one.free_mem_gib, one.free_storage_gib, one.free_gpus)
    assert left == (Decimal(3), Decimal(6), Decimal(15), 1)


def test_the_worse_of_both_round_trips_counts(make_node: MakeNode, make_offer: MakeOffer) -> None:
    """The Bee could lie, and so could a detour that only the Queen saw."""
    told = {"lies": (9.0, 40.0), "slow": (50.0, 30.0), "unmeasured": (None, 20.0), "silent": (7.0, None)}
    for name, (said, measured) in told.items():
        node = make_node(name=name, round_trip_ms=measured)
        make_offer(node)
        if said is not None:
            at_ms = int(timezone.now().timestamp() * 1000)
            store(node_id=node.pk, said=Benchmarks(at_ms=at_ms, round_trip_ms=said))

    assert {one.name: one.round_trip_ms for one in live_book().listings} == {
        "lies": 40.0,
        "slow": 50.0,
        "unmeasured": 20.0,
        "silent": 7.0,
    }


def test_a_figure_that_could_not_be_measured_is_unknown(make_node: MakeNode, make_offer: MakeOffer) -> None:
    node = make_node()
    make_offer(node)
    at_ms = int(timezone.now().timestamp() * 1000)
    store(node_id=node.pk, said=Benchmarks(at_ms=at_ms, cpu_single=20.0))

    [one] = live_book().listings

    assert (one.cpu_single, one.down_mbit_s) == (20.0, None)
    assert rank(live_book(), small(benchmarks={"down_mbit_s": 0.0})) == []


def test_who_has_no_reputation_yet_is_a_newcomer(make_node: MakeNode, make_offer: MakeOffer) -> None:
    known, unknown = make_node(name="known"), make_node(name="unknown")
    NodeReputation.objects.create(
        node=known, score=0.9, is_newcomer=False, kept=7, lost=2, computed_at=timezone.now()
    )
    for node in (known, unknown):
        make_offer(node)

    by_name = {one.name: one for one in live_book().listings}

    assert (by_name["known"].reputation, by_name["known"].kept, by_name["known"].lost) == (0.9, 7, 2)
    assert not by_name["known"].is_newcomer
    assert by_name["unknown"].is_newcomer


def test_a_filter_is_asked_of_the_database(make_node: MakeNode, make_offer: MakeOffer) -> None:
    fast = make_offer(make_node(), properties={"hive.disk.kind": "nvme"})
    make_offer(make_node(), properties={"hive.disk.kind": "hdd"})

    [one, other] = quotes(
        live_book(), small(constraints="(hive.disk.kind=nvme)", spread_required=True), count=2
    )

    assert one.offer_id == str(fast.pk)
    assert (other.offer_id, other.reason[:40]) == (None, "every node that could has one of its gro")


def test_an_owner_is_known_by_a_node_that_offers_nothing_now(
    make_node: MakeNode, make_offer: MakeOffer, stranger: User
) -> None:
    """A sibling runs there: its owner's other nodes are not apart from it."""
    cordoned = make_node(scheduling=Scheduling.CORDONED)
    make_offer(make_node(name="same owner"))
    make_offer(make_node(name="another", owner=stranger))

    [one] = quotes(live_book(), small(spread="owner", beside_nodes=(cordoned.pk,)), count=1)

    assert one.choice and one.choice.offer.name == "another"


def test_any_number_of_services_is_placed_in_as_many_queries_as_there_are_filters(
    make_node: MakeNode, make_offer: MakeOffer, django_assert_num_queries: Queries
) -> None:
    siblings = [make_node(scheduling=Scheduling.CORDONED).pk for _ in range(3)]
    for _ in range(3):
        make_offer(make_node())
    wants = [
        Want(small(constraints=text, spread="owner", beside_nodes=siblings, group=f"{text} {number}"), 3)
        for text in ("(golem.runtime.name=*)", "(!(golem.runtime.name=wasm))")
        for number in range(4)
    ]
    # One for the book, one for where the siblings are, and for each filter one between a savepoint and its
    # release, the time it may take and the end of that.
    with django_assert_num_queries(1 + 1 + 5 * 2):  # type: ignore[attr-defined]
        place(live_book(), wants)
