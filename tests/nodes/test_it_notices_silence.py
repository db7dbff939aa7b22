from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from agent.protocol import Observed, Stats
from apps.nodes import presence
from apps.nodes.models import Listener, Node, NodeSession, NodeState

pytestmark = pytest.mark.django_db

OBSERVED = Observed(revision=1, at_ms=0, assignments=[], stats=Stats(cpu_percent=12.5, running=1))


def _later(node: Node, **moments: timedelta) -> None:
    """Pretend that this much time has passed for the node's named fields."""
    Node.objects.filter(pk=node.pk).update(
        **{name: getattr(node, name) - span for name, span in moments.items()}
    )
    node.refresh_from_db()


def _go_silent(node: Node) -> None:
    _later(node, deadline_at=timedelta(hours=1), last_seen_at=timedelta(hours=1))


def test_a_link_that_opens_brings_a_node_online_and_one_that_closes_makes_it_unknown(
    make_node: Callable[..., Node],
) -> None:
    node = make_node(state=NodeState.OFFLINE, deadline_at=None)

    assert presence.link_opened(node_id=node.id, channel="one") is None
    node.refresh_from_db()
    assert node.state == NodeState.ONLINE

    assert presence.link_closed(node_id=node.id, channel="one", reason="connection lost")
    node.refresh_from_db()
    assert (node.state, node.reason) == (NodeState.UNKNOWN, "connection lost")
    grace = timedelta(seconds=settings.HIVE_NODE_GRACE_S)
    assert node.deadline_at is not None
    assert abs(node.deadline_at - timezone.now() - grace) < timedelta(seconds=1)


def test_a_newer_link_takes_over_and_the_older_one_may_close_in_peace(node: Node) -> None:
    presence.link_opened(node_id=node.id, channel="old")

    assert presence.link_opened(node_id=node.id, channel="new") == "old"
    assert not presence.link_closed(node_id=node.id, channel="old", reason="replaced")

    node.refresh_from_db()
    assert node.state == NodeState.ONLINE
    assert NodeSession.objects.get(closed_at=None).channel == "new"


def test_an_unapproved_node_stays_pending_whatever_its_link_does(make_node: Callable[..., Node]) -> None:
    node = make_node(state=NodeState.PENDING, approved_at=None, deadline_at=None)

    presence.link_opened(node_id=node.id, channel="one")
    presence.heartbeats({node.id: OBSERVED})
    presence.link_closed(node_id=node.id, channel="one", reason="gone")

    node.refresh_from_db()
    assert node.state == NodeState.PENDING


def test_heartbeats_keep_a_node_online_and_store_what_it_measured(node: Node) -> None:
    presence.link_opened(node_id=node.id, channel="one")
    _later(node, deadline_at=timedelta(seconds=10))

    assert presence.heartbeats({node.id: OBSERVED}) == []

    node.refresh_from_db()
    assert node.stats == {"cpu_percent": 12.5, "running": 1}
    assert node.deadline_at is not None and node.deadline_at > timezone.now()


def test_a_silent_node_is_unknown_first_and_offline_after_its_grace(node: Node) -> None:
    _go_silent(node)
    assert presence.sweep_silent() == [node.id]
    node.refresh_from_db()
    assert node.state == NodeState.UNKNOWN
    assert presence.sweep_silent() == []

    _later(node, deadline_at=timedelta(hours=1))
    assert presence.sweep_silent() == [node.id]
    node.refresh_from_db()
    assert (node.state, node.reason) == (NodeState.OFFLINE, "silent: no heartbeat in time")


def test_a_heartbeat_brings_a_lost_node_back(node: Node) -> None:
    presence.link_opened(node_id=node.id, channel="one")
    _go_silent(node)
    presence.sweep_silent()

    assert presence.heartbeats({node.id: OBSERVED}) == [node.id]
    node.refresh_from_db()
    assert node.state == NodeState.ONLINE


def test_last_words_that_come_after_the_link_has_closed_do_not_bring_a_node_back(node: Node) -> None:
    presence.link_opened(node_id=node.id, channel="one")
    presence.link_closed(node_id=node.id, channel="one", reason="connection lost")

    assert presence.heartbeats({node.id: OBSERVED}) == []
    node.refresh_from_db()
    assert node.state == NodeState.UNKNOWN


def test_nobody_is_offline_while_nobody_listens(node: Node) -> None:
    Listener.objects.all().delete()
    _go_silent(node)
    presence.sweep_silent()
    _later(node, deadline_at=timedelta(hours=1))

    assert presence.sweep_silent() == []
    node.refresh_from_db()
    assert node.state == NodeState.UNKNOWN


def test_after_a_restart_of_the_queen_the_nodes_have_time_to_call_again(node: Node) -> None:
    now = timezone.now()
    _go_silent(node)
    Listener.objects.update(started_at=now - timedelta(seconds=2))
    presence.sweep_silent()
    _later(node, deadline_at=timedelta(hours=1))
    assert presence.sweep_silent() == []

    Listener.objects.update(started_at=now - timedelta(minutes=10))
    assert presence.sweep_silent() == [node.id]
