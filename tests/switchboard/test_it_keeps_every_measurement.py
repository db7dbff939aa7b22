"""While the database is busy a Bee says more than one heartbeat: the newest counts, all are measurements."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.protocol import Observed, Stats
from apps.nodes import presence
from apps.nodes.models import Node, Statistic
from hive_portal.batches import MOST_EARLIER, Batch, take
from tests.cast import key_of_bee


def heartbeat(number: int) -> Observed:
    return Observed(revision=1, at_ms=0, assignments=[], stats=Stats(running=number))


@pytest.mark.django_db
def test_each_is_stored(make_node: Callable[..., Node]) -> None:
    often, once = make_node(key_of_bee(40)), make_node(key_of_bee(41))
    for node in (often, once):
        presence.link_opened(node_id=node.id, channel=node.id)
    batch = Batch()
    for number in (1, 2, 3):
        batch.put(often.id, heartbeat(number))
    batch.put(once.id, heartbeat(7))

    take(batch)

    stored = Statistic.objects.order_by("at").values_list("node_id", "running")
    assert [running for node_id, running in stored if node_id == often.id] == [1, 2, 3]
    assert [running for node_id, running in stored if node_id == once.id] == [7]
    often.refresh_from_db()
    assert often.stats == {"running": 3}


def test_a_flood_is_cut() -> None:
    batch = Batch()
    for number in range(1000):
        batch.put("0xbee", heartbeat(number))

    assert batch.observed["0xbee"] == heartbeat(999)
    assert batch.earlier == [{"0xbee": heartbeat(number)} for number in range(MOST_EARLIER)]
