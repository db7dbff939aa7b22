from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.protocol import Observed
from apps.nodes import presence
from apps.nodes.listeners import Hearing, heard_ms, unheard_ms
from apps.nodes.models import Listener, Node, NodeSession
from apps.nodes.silence import Coverage, Span, covered_ms, length_ms, without

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)


def _minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def _at_ms(minutes: float) -> int:
    return NOON_MS + int(minutes * 60_000)


def _session(node: Node, opened: float, closed: float) -> None:
    NodeSession.objects.create(
        node=node,
        opened_at=NOON + _minutes(opened),
        last_seen_at=NOON + _minutes(closed),
        closed_at=NOON + _minutes(closed),
        channel="c",
    )


@pytest.fixture
def listener(node: Node) -> Listener:
    """The Queen listens from an hour before noon until an hour after."""
    Listener.objects.all().delete()
    return Listener.objects.create(started_at=NOON - _minutes(60), last_seen_at=NOON + _minutes(60))


@pytest.mark.django_db
def test_it_counts_what_sessions_cover(node: Node, listener: Listener) -> None:
    _session(node, 0, 4)
    _session(node, 6, 20)

    assert heard_ms(node.id, _at_ms(0), _at_ms(10)) == 8 * 60_000
    assert heard_ms(node.id, _at_ms(4), _at_ms(6)) == 0


@pytest.mark.django_db
def test_time_in_which_nobody_listened_counts_as_heard(node: Node, listener: Listener) -> None:
    listener.last_seen_at = NOON + _minutes(5)
    listener.save()
    _session(node, 0, 4)

    assert heard_ms(node.id, _at_ms(0), _at_ms(10)) == 9 * 60_000


@pytest.mark.django_db
def test_a_silence_within_one_link_cuts_its_session(node: Node) -> None:
    presence.link_opened(node_id=node.id, channel="one")
    an_hour_ago = presence.timezone.now() - timedelta(hours=1)
    NodeSession.objects.update(opened_at=an_hour_ago, last_seen_at=an_hour_ago + _minutes(10))

    presence.heartbeats({node.id: Observed(revision=0, at_ms=0, assignments=[])})

    now_ms = int(presence.timezone.now().timestamp() * 1000)
    assert abs(heard_ms(node.id, now_ms - 3_600_000, now_ms) - 600_000) < 5_000


SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted).map(tuple), max_size=6)


@given(holes=SPANS)
def test_what_is_cut_out_is_gone_and_the_rest_is_there(holes: list[Span]) -> None:
    left = without([(0, 50)], holes)

    kept = {point for start, end in left for point in range(start, end)}
    assert kept == {p for p in range(50) if not any(a <= p < b for a, b in holes)}
    assert length_ms(left) == len(kept)


@given(spans=SPANS, start=st.integers(0, 50), length=st.integers(0, 50))
def test_it_measures_what_spans_cover(spans: list[Span], start: int, length: int) -> None:
    within = range(start, start + length)
    covered = {instant for a, b in spans for instant in range(a, b)} & set(within)
    assert covered_ms(spans, (start, start + length)) == len(covered)


@pytest.mark.django_db
def test_it_counts_what_was_not_heard_of_several_at_once(
    node: Node, make_node: Callable[..., Node], listener: Listener, django_assert_num_queries: Any
) -> None:
    other = make_node()
    _session(node, 0, 4)
    _session(node, 6, 20)
    _session(other, -30, 3)
    asked = {node.id: (_at_ms(0), _at_ms(10)), other.id: (_at_ms(-10), _at_ms(10))}
    with django_assert_num_queries(2):
        unheard = unheard_ms(asked)
    assert unheard == {node.id: 2 * 60_000, other.id: 7 * 60_000}
    for node_id, (start, end) in asked.items():
        assert unheard[node_id] == end - start - heard_ms(node_id, start, end)


MINUTES = st.tuples(st.integers(0, 60), st.integers(0, 60))


@given(spans=st.lists(MINUTES), asked=MINUTES)
def test_it_measures_the_same_when_it_is_asked_again_and_again(
    spans: list[Span], asked: tuple[int, int]
) -> None:
    coverage, within = Coverage(spans), (min(asked), max(asked))
    assert coverage.within_ms(*within) == covered_ms(spans, within)


@pytest.mark.django_db
def test_it_reads_once_what_is_asked_of_several_spans(
    node: Node, make_node: Callable[..., Node], listener: Listener, django_assert_num_queries: Any
) -> None:
    other = make_node()
    _session(node, 0, 4)
    _session(node, 6, 20)
    _session(other, -30, 3)
    with django_assert_num_queries(2):
        hearing = Hearing({node.id: (_at_ms(0), _at_ms(10)), other.id: (_at_ms(-10), _at_ms(10))})
    for node_id, start, end in [(node.id, 0, 10), (node.id, 3, 7), (other.id, -10, 10), (other.id, 2, 4)]:
        span = _at_ms(start), _at_ms(end)
        assert hearing.heard_ms(node_id, *span) == heard_ms(node_id, *span)
