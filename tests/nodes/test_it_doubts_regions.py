"""What nodes declare of their region, held against the time to them: light sets one limit, patience one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import checks
from django.test import override_settings
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from agent.protocol import NodeInfo, Observed, Stats
from apps.nodes import places, presence, regions
from apps.nodes.enrolment import node_for
from apps.nodes.models import Node, NodeSession
from apps.teams.audit import AuditLine
from tests.cast import key_of_bee

CODES = st.sampled_from(sorted(regions.table()))


@pytest.mark.parametrize(
    ("declared", "round_trip_ms", "words"),
    [
        ("eu-central", 12, ""),
        ("eu-central", 95, "it took 95 ms to answer, and from eu-central 84 ms are enough"),
        ("us-east", 95, ""),
        (
            "us-east",
            12,
            "it answers within 12 ms, and no signal is back from us-east sooner than after 52 ms",
        ),
        ("ap-southeast", 165, ""),
        ("oc-east", 290, ""),
        ("oc-east", 110, "sooner than after 147 ms"),
        ("mars-1", 12, "the Hive knows no region mars-1"),
        ("", 12, ""),
        ("us-east", None, ""),
    ],
)
def test_it_holds_a_region_against_the_time_to_it(
    declared: str, round_trip_ms: float | None, words: str
) -> None:
    said = regions.doubt(declared, queen="eu-central", round_trip_ms=round_trip_ms)
    assert words in said and bool(words) == bool(said)


@pytest.mark.parametrize("queen", ["", "mars-1"])
def test_a_queen_that_does_not_know_where_she_is_believes(queen: str) -> None:
    assert regions.doubt("us-east", queen=queen, round_trip_ms=1) == ""


@given(CODES, CODES, st.floats(0, 10_000))
def test_it_doubts_outside_of_its_limits_alone(declared: str, queen: str, round_trip_ms: float) -> None:
    region, here = regions.table()[declared], regions.table()[queen]
    least, most = regions.least_ms(region, here), regions.most_ms(region, here)
    assert 0 <= least < most - 50, "an ordinary line has room between the two"
    doubted = bool(regions.doubt(declared, queen=queen, round_trip_ms=round_trip_ms))
    assert doubted == (not least <= round_trip_ms <= most)


@pytest.mark.parametrize(
    ("one", "other", "km"),
    # Great-circle distances between the cities, as atlases give them.
    [("eu-central", "us-east", 6540), ("eu-west", "oc-east", 17_200), ("ap-northeast", "us-west", 8280)],
)
def test_it_knows_distances(one: str, other: str, km: float) -> None:
    known = regions.table()
    assert regions.distance_km(known[one], known[other]) == pytest.approx(km, rel=0.01)
    assert regions.distance_km(known[one], known[other]) == regions.distance_km(known[other], known[one])


@pytest.mark.parametrize(("said", "ids"), [("", []), ("eu-west", []), ("eu-wset", ["hive.E001"])])
def test_it_takes_no_region_of_the_queens_that_it_does_not_know(said: str, ids: list[str]) -> None:
    with override_settings(HIVE_REGION=said):
        assert [each.id for each in checks.run_checks() if str(each.id).startswith("hive.")] == ids


# -- what the Queen keeps of it ---------------------------------------------------------------------------

FROM_FRANKFURT = override_settings(HIVE_REGION="eu-central")


def link(node: Node, round_trip_ms: float | None) -> Node:
    presence.link_opened(node_id=node.pk, channel=f"{round_trip_ms}", round_trip_ms=round_trip_ms)
    node.refresh_from_db()
    return node


@pytest.mark.django_db
@FROM_FRANKFURT
def test_it_believes_the_quickest_answer_of_lately(node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(region="eu-central")
    slow = link(node, 400.0)
    assert (slow.round_trip_ms, slow.region_fault) == (
        400.0,
        "it took 400 ms to answer, and from eu-central 84 ms are enough",
    )
    quick = link(node, 20.0)
    assert (quick.round_trip_ms, quick.region_fault) == (20.0, "")
    assert link(node, 900.0).region_fault == ""

    told = AuditLine.objects.filter(noun="node", noun_id=node.pk, actor="queen:places")
    assert [line.after for line in told.order_by("at", "id")] == ["region doubted", "region believed"]


@pytest.mark.django_db
@FROM_FRANKFURT
def test_it_forgets_how_quick_a_node_was_long_ago(node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(region="eu-central")
    link(node, 20.0)
    NodeSession.objects.update(opened_at=timezone.now() - timedelta(days=8))
    assert "it took 150 ms" in link(node, 150.0).region_fault


@pytest.mark.django_db
@FROM_FRANKFURT
def test_it_believes_what_it_measures_on_a_link_that_is_old(node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(region="us-east")
    assert link(node, 20.0).region_fault
    NodeSession.objects.update(opened_at=timezone.now() - timedelta(days=8))
    places.note_round_trips({"20.0": (node.pk, 5.0)})
    node.refresh_from_db()
    assert (node.round_trip_ms, bool(node.region_fault)) == (5.0, True)


@pytest.mark.django_db
@FROM_FRANKFURT
def test_a_silence_within_a_link_leaves_its_figure(node: Node) -> None:
    link(node, 20.0)
    old = timezone.now() - timedelta(days=8)
    NodeSession.objects.update(opened_at=old, last_seen_at=old + timedelta(hours=1))
    presence.heartbeats({node.pk: Observed(revision=0, at_ms=0, assignments=[], stats=Stats())})
    places.weigh_regions([node])
    node.refresh_from_db()
    assert NodeSession.objects.count() == 2, "the silence cut it in two"
    assert node.round_trip_ms == 20.0


@pytest.mark.django_db
@FROM_FRANKFURT
def test_it_weighs_each_node_by_its_own_links(make_node: Callable[..., Node]) -> None:
    near, far = (make_node(key_of_bee(number), region="eu-central") for number in (60, 61))
    opened = [
        presence.Opened(node_id=node.pk, channel=node.pk, round_trip_ms=ms)
        for node, ms in ((near, 10.0), (far, 200.0))
    ]
    presence.links_opened(opened)
    near.refresh_from_db()
    far.refresh_from_db()
    assert (near.region_fault, near.round_trip_ms) == ("", 10.0)
    assert (bool(far.region_fault), far.round_trip_ms) == (True, 200.0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("declared", "kept"), [("us-east", "us-east"), (7, ""), (None, ""), ("x" * 100, "x" * 40)]
)
def test_it_keeps_what_the_bee_declares(node: Node, declared: object, kept: str) -> None:
    info = NodeInfo(
        name="attic",
        agent_version="1",
        runtimes=[],
        ssh_host_key="",
        properties={"hive.region": declared},
    )
    assert node_for(node_id=node.pk, info=info).region == kept
