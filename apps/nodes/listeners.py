"""Who listens for the Bees, and what was heard of a node meanwhile: the Queen's side of the metering.

Time in which no process of the Queen listened is nobody's silence: it counts as heard, so that a restart of
the Queen costs no Bee its pay and takes no replica away.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import Min
from django.utils import timezone

from apps.nodes.models import Listener, NodeSession
from apps.nodes.silence import REATTACH_S, Coverage, Span, covered_ms, length_ms, silence_s, without

LISTENING_NOW_S = 2.5
"""Nobody's silence is judged on the word of a listener that has not spoken up for so long."""
LISTENER_LOST_S = 6
"""A process that has not said for so long that it listens is dead or was frozen: it heard nothing."""


def listens(listener_id: uuid.UUID | None) -> uuid.UUID:
    """Said by each process that holds links: first with None, then once a second with the id it was given.

    After a break too long to be trusted it is given a new id: its listening starts anew.
    """
    now = timezone.now()
    trusted = Listener.objects.filter(last_seen_at__gt=now - timedelta(seconds=LISTENER_LOST_S))
    if listener_id and trusted.filter(pk=listener_id).update(last_seen_at=now):
        return listener_id
    return Listener.objects.create(started_at=now, last_seen_at=now).id


def stopped_listening(listener_id: uuid.UUID) -> None:
    """Said by a process that ends in order; one that is killed is found out after `LISTENER_LOST_S`."""
    lost = timezone.now() - timedelta(seconds=LISTENER_LOST_S)
    Listener.objects.filter(pk=listener_id, last_seen_at__gt=lost).update(last_seen_at=lost)


def listening_since(*, now: datetime) -> datetime | None:
    """Since when somebody has listened; None while nobody does."""
    alive = Listener.objects.filter(last_seen_at__gt=now - timedelta(seconds=LISTENING_NOW_S))
    return alive.aggregate(since=Min("started_at"))["since"]


def heard_ms(node_id: str, from_ms: int, to_ms: int) -> int:
    """Of this span of Unix milliseconds, the time in which the node was heard, or nobody listened."""
    unheard = without(_listened(from_ms, to_ms), _heard(node_id, from_ms, to_ms))
    return length_ms(without([(from_ms, to_ms)], unheard))


def unheard_ms(spans: Mapping[str, Span]) -> dict[str, int]:
    """Of each node's own span, the time in which somebody listened and did not hear it. Two queries."""
    if not spans:
        return {}
    from_ms, to_ms = min(start for start, _ in spans.values()), max(end for _, end in spans.values())
    listened, heard = _listened(from_ms, to_ms), _heard_of(spans, from_ms, to_ms)
    return {
        node_id: covered_ms(listened + heard[node_id], span) - covered_ms(heard[node_id], span)
        for node_id, span in spans.items()
    }


class Hearing:
    """What was heard of several nodes, of each in a span of its own: read at once, asked again and again."""

    def __init__(self, spans: Mapping[str, Span]) -> None:
        starts, ends = zip(*spans.values(), strict=True) if spans else ((0,), (0,))
        listened, heard = _listened(min(starts), max(ends)), _heard_within(spans)
        self._heard = {node_id: Coverage(mine) for node_id, mine in heard.items()}
        self._judged = {node_id: Coverage([*listened, *mine]) for node_id, mine in heard.items()}

    def heard_ms(self, node_id: str, from_ms: int, to_ms: int) -> int:
        """As the function of this name, for one of these nodes and a span within theirs."""
        heard, judged = self._heard[node_id], self._judged[node_id]
        return to_ms - from_ms - judged.within_ms(from_ms, to_ms) + heard.within_ms(from_ms, to_ms)


def settled_until_ms(node_ids: Collection[str]) -> dict[str, int]:
    """Up to which instant, in Unix ms, what was heard of each node can no longer change: a linked node's next
    heartbeat may still be on its way through a busy Queen."""
    linked = NodeSession.objects.filter(node__in=node_ids, closed_at=None)
    silence, now_ms = timedelta(seconds=silence_s()), _ms(timezone.now())
    heard = {node_id: _ms(at + silence) for node_id, at in linked.values_list("node_id", "last_seen_at")}
    return {node_id: heard.get(node_id, now_ms) for node_id in node_ids}


def _listened(from_ms: int, to_ms: int) -> list[Span]:
    rows = Listener.objects.filter(started_at__lt=_instant(to_ms), last_seen_at__gt=_instant(from_ms))
    starts = [(row.started_at + timedelta(seconds=REATTACH_S), row.last_seen_at) for row in rows]
    return [(max(_ms(start), from_ms), min(_ms(end), to_ms)) for start, end in starts if start < end]


def _heard(node_id: str, from_ms: int, to_ms: int) -> list[Span]:
    return _heard_of([node_id], from_ms, to_ms)[node_id]


def _heard_of(node_ids: Collection[str], from_ms: int, to_ms: int) -> dict[str, list[Span]]:
    """An open session is heard for as long after its last heartbeat as is not yet called silence."""
    silence, heard = timedelta(seconds=silence_s()), dict[str, list[Span]]()
    sessions = NodeSession.objects.filter(node__in=node_ids, opened_at__lt=_instant(to_ms))
    for one in sessions.exclude(closed_at__lte=_instant(from_ms)):
        span = _ms(one.opened_at), _ms(one.closed_at or one.last_seen_at + silence)
        heard.setdefault(one.node_id, []).append(span)
    return {node_id: heard.get(node_id, []) for node_id in node_ids}


_SESSIONS = """
    SELECT node_id, opened_at, COALESCE(closed_at, last_seen_at + make_interval(secs => %s))
    FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) AS span (node, start, until)
    JOIN nodes_nodesession
        ON node_id = node AND opened_at < until AND (closed_at IS NULL OR closed_at > start)
"""


def _heard_within(spans: Mapping[str, Span]) -> dict[str, list[Span]]:
    """As `_heard_of`, each node within its own span: one that claims to have run for years costs no other."""
    heard: dict[str, list[Span]] = {node_id: [] for node_id in spans}
    starts, ends = ([_instant(span[side]) for span in spans.values()] for side in (0, 1))
    with connection.cursor() as cursor:
        cursor.execute(_SESSIONS, [silence_s(), list(spans), starts, ends])
        for node_id, start, until in cursor.fetchall():
            heard[node_id].append((_ms(start), _ms(until)))
    return heard


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)
