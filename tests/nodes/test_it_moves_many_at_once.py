"""One door for many rows: the states of a set move together, each with its line in the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.nodes import presence
from apps.nodes.models import Node, NodeState
from apps.teams.audit import Actor, AuditLine
from apps.teams.states import StateError
from tests.cast import key_of_bee

pytestmark = pytest.mark.django_db

TESTER = Actor.queen("test")
Make = Callable[..., Node]


@pytest.fixture
def nodes(make_node: Make) -> list[Node]:
    return [make_node(key_of_bee(number)) for number in range(40, 50)]


def _move(nodes: list[Node], state: str) -> list[Node]:
    deadline_at = timezone.now() + timedelta(minutes=1)
    return Node.move_all(nodes, state, actor=TESTER, reason="as a set", deadline_at=deadline_at)


def test_they_move_with_their_audit_lines(nodes: list[Node]) -> None:
    assert set(_move(nodes, NodeState.UNKNOWN)) == set(nodes)

    assert {node.state for node in nodes} == {NodeState.UNKNOWN}
    assert set(Node.objects.values_list("state", "reason")) == {(NodeState.UNKNOWN, "as a set")}
    lines = AuditLine.objects.filter(before="online", after="unknown", actor="queen:test", reason="as a set")
    assert set(lines.values_list("noun_id", flat=True)) == {node.id for node in nodes}


def test_one_that_was_moved_by_somebody_else_is_passed_over(nodes: list[Node]) -> None:
    Node.objects.get(pk=nodes[0].pk).ban(actor=TESTER, reason="it lied")

    assert set(_move(nodes, NodeState.UNKNOWN)) == set(nodes[1:])
    assert Node.objects.get(pk=nodes[0].pk).state == NodeState.BANNED
    assert not AuditLine.objects.filter(noun_id=nodes[0].id, after="unknown").exists()


def test_a_way_that_is_not_in_the_table_is_refused(nodes: list[Node]) -> None:
    with pytest.raises(StateError, match="no one way from"):
        _move(nodes, NodeState.OFFLINE)
    assert set(Node.objects.values_list("state", flat=True)) == {NodeState.ONLINE}


def test_a_set_of_different_states_is_refused(nodes: list[Node]) -> None:
    _move(nodes[:1], NodeState.UNKNOWN)
    with pytest.raises(StateError, match="no one way from"):
        _move(nodes, NodeState.BANNED)


def test_a_sweep_of_many_silent_nodes_costs_as_much_as_one_of_two(nodes: list[Node]) -> None:
    assert _swept(nodes[:2]) == _swept(nodes[2:])


def _swept(nodes: list[Node]) -> int:
    ids = [node.id for node in nodes]
    Node.objects.filter(pk__in=ids).update(deadline_at=timezone.now() - timedelta(seconds=1))
    with CaptureQueriesContext(connection) as queries:
        assert sorted(presence.sweep_silent()) == sorted(ids)
    return len(queries)
