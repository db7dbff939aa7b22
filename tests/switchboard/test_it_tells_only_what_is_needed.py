"""When a wanted set goes out, and that gathering many costs as many queries as gathering one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agent.protocol import RefusalCode, Refused, UsageAck, Wanted
from apps.nodes.models import Node
from apps.teams.audit import Actor
from hive_portal.wanted import TOLD_EVERY_S, needs_telling, wanted_for_all
from tests.cast import key_of_bee

IDLE = Wanted(revision=3, heartbeat_s=5, metering_interval_s=60, approved=True)
ACK = UsageAck(agreement_id="a", sequence=1, rated_glm=Decimal(0))
BUSY = Wanted(revision=3, heartbeat_s=5, metering_interval_s=60, approved=True, usage_acks=[ACK])
NEWER = Wanted(revision=4, heartbeat_s=5, metering_interval_s=60, approved=True)


@pytest.mark.parametrize(
    ("wanted", "told", "heeded", "silent_s", "needed"),
    [
        pytest.param(IDLE, None, -1, 0, True, id="the first one"),
        pytest.param(IDLE, IDLE, 3, 1, False, id="nothing new, nothing wanted, and the bee acts on it"),
        pytest.param(IDLE, IDLE, 2, 1, True, id="the bee acts on something older"),
        pytest.param(NEWER, IDLE, 3, 1, True, id="something changed"),
        pytest.param(BUSY, BUSY, 3, 1, True, id="acknowledgements, leases and questions may get lost"),
        pytest.param(IDLE, IDLE, 3, TOLD_EVERY_S, True, id="pace and clock, now and then"),
    ],
)
def test_what_is_told(
    wanted: Wanted, told: Wanted | None, heeded: int, silent_s: float, needed: bool
) -> None:
    assert needs_telling(wanted, told=told, heeded=heeded, silent_s=silent_s) is needed


@pytest.mark.django_db
def test_many_cost_as_many_queries_as_one(make_node: Callable[..., Node]) -> None:
    nodes = [make_node(key_of_bee(number)).id for number in range(40, 60)]
    wanted_for_all(dict.fromkeys(nodes))  # how many are online is remembered for a moment

    assert _queries(nodes[:1]) == _queries(nodes) <= 8


@pytest.mark.django_db
def test_a_revision_is_new_when_its_content_is(make_node: Callable[..., Node]) -> None:
    idle, approved = make_node(key_of_bee(40)), make_node(key_of_bee(41), approved_at=None)
    first = wanted_for_all({idle.id: None, approved.id: None})
    approved.approve(actor=Actor.queen("test"))

    second = wanted_for_all(first)  # type: ignore[arg-type]

    assert _revision(second, idle) == _revision(first, idle)
    assert _revision(second, approved) == _revision(first, approved) + 1


@pytest.mark.django_db
def test_a_banned_node_is_refused_among_others(make_node: Callable[..., Node]) -> None:
    sound, banned = make_node(key_of_bee(40)), make_node(key_of_bee(41))
    banned.ban(actor=Actor.queen("test"), reason="it lied")

    wanted = wanted_for_all({sound.id: None, banned.id: None})

    assert isinstance(wanted[sound.id], Wanted)
    refusal = wanted[banned.id]
    assert isinstance(refusal, Refused)
    assert (refusal.code, refusal.final) == (RefusalCode.BANNED, True)
    assert "it lied" in refusal.reason


def _revision(wanted: dict[str, Wanted | Refused], node: Node) -> int:
    one = wanted[node.id]
    assert isinstance(one, Wanted)
    return one.revision


def _queries(node_ids: list[str]) -> int:
    with CaptureQueriesContext(connection) as queries:
        wanted_for_all(dict.fromkeys(node_ids))
    return len(queries)
