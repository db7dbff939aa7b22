"""The way to a Bee is timed while its link is open: a busy moment at its beginning is no distance."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from django.test import override_settings
from eth_account.signers.local import LocalAccount

from agent.protocol import Observed, Ping, Pong
from apps.nodes import places, presence
from apps.nodes.models import Node, NodeSession
from hive_portal import switchboard
from hive_portal.timing import Timing
from tests.cast import key_of_bee
from tests.switchboard.portal import Bee, eventually

AGES_MS = 1e6
HERE = override_settings(HIVE_REGION="eu-central")


@HERE
def test_it_asks_a_few_times_soon_and_then_rarely() -> None:
    timing = Timing(math.inf)
    asked = [second for second in range(4000) if timing.ask(second)]
    assert asked == [0, 5, 10, 15, 1815, 3615]


@override_settings(HIVE_REGION="")
def test_it_asks_nothing_where_nobody_needs_to_know() -> None:
    assert Timing(math.inf).ask(1e9) is None


@HERE
def test_it_keeps_what_is_notably_less_and_no_answer_that_nobody_asked_for() -> None:
    timing = Timing(200.0)
    first = timing.ask(10.0)
    assert first
    assert not timing.hear(Pong(ping_id=first.ping_id ^ 1), 10.001), "a guess"
    assert timing.hear(Pong(ping_id=first.ping_id), 10.05)
    assert timing.least_ms == pytest.approx(50)
    assert not timing.hear(Pong(ping_id=first.ping_id), 10.001), "the same again"
    second = timing.ask(20.0)
    assert second and second.ping_id != first.ping_id
    assert not timing.hear(Pong(ping_id=second.ping_id), 20.049), "hardly less"
    assert timing.least_ms == pytest.approx(50)


@HERE
def test_a_quick_answer_counts_more_than_a_slow_beginning(
    portal: str,
    dial: Callable[[LocalAccount], Bee],
    make_node: Callable[..., Node],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(switchboard, "Timing", lambda least_ms: Timing(AGES_MS))
    node = make_node(key_of_bee(41))
    bee = dial(key_of_bee(41))
    bee.join()
    node.refresh_from_db()
    assert node.round_trip_ms == AGES_MS

    bee.say(Observed(revision=0, at_ms=0, assignments=[]))
    bee.say(Pong(ping_id=bee.hear_a(Ping).ping_id))

    eventually(lambda: Node.objects.filter(pk=node.pk, round_trip_ms__lt=AGES_MS).exists())
    assert NodeSession.objects.get(node=node, closed_at=None).round_trip_ms < AGES_MS


@HERE
@pytest.mark.django_db
def test_what_is_measured_later_clears_a_doubt(make_node: Callable[..., Node]) -> None:
    node, other = (make_node(key_of_bee(number), region="eu-central") for number in (42, 43))
    for each in (node, other):
        presence.link_opened(node_id=each.pk, channel=f"of {each.pk}", round_trip_ms=500.0)
    places.note_round_trips({f"of {node.pk}": (node.pk, 30.0), "closed long ago": (other.pk, 1.0)})
    node.refresh_from_db()
    other.refresh_from_db()
    assert (node.round_trip_ms, node.region_fault) == (30.0, "")
    assert (other.round_trip_ms, bool(other.region_fault)) == (500.0, True)
