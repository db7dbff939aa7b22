"""Whether a node is there: links that open and close, heartbeats, and the silence that follows them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from agent.protocol import Observed
from apps.nodes.listeners import Hearing, heard_ms, listening_since, settled_until_ms
from apps.nodes.lost_offers import relist, withdraw_of_lost
from apps.nodes.models import Node, NodeSession, NodeState
from apps.nodes.places import weigh_regions
from apps.nodes.silence import REATTACH_S, silence_s, silent_from
from apps.teams.audit import Actor

__all__ = [
    "Hearing",
    "heard_ms",
    "heartbeats",
    "link_closed",
    "link_opened",
    "online_count",
    "peers",
    "settled_until_ms",
    "sweep_silent",
]

LINK = Actor.queen("link")
SWEEP = Actor.queen("sweep")

COUNTED_EVERY_S = 1.0
_counted = (float("-inf"), 0)
"""When, on the monotonic clock, how many were online."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """The node proved its key on the link with this channel; `peer` is the IP address it comes from."""

    node_id: str
    channel: str
    peer: str | None = None
    round_trip_ms: float | None = None
    """From the challenge to its answer, by the Queen's clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Closed:
    """The link with this channel is gone.

    `grace_s`: how long the node may stay away before it is offline, else `HIVE_NODE_GRACE_S`.
    """

    node_id: str
    channel: str
    reason: str
    grace_s: float | None = None


def link_opened(
    *, node_id: str, channel: str, peer: str | None = None, round_trip_ms: float | None = None
) -> str | None:
    """Returns the channel of the older link it replaces, if any."""
    opened = Opened(node_id=node_id, channel=channel, peer=peer, round_trip_ms=round_trip_ms)
    return links_opened([opened]).get(node_id)


@transaction.atomic
def links_opened(opened: Collection[Opened]) -> dict[str, str]:
    """Of different nodes, in a fixed number of statements. Returns the channels they replace, by node."""
    now = timezone.now()
    nodes = _locked([one.node_id for one in opened])
    older = _open_sessions(nodes)
    _end_sessions(older, now=now, reasons=dict.fromkeys(nodes, "replaced by a newer link"))
    _begin_sessions(opened, now=now)
    weigh_regions(nodes.values())
    Node.objects.filter(pk__in=nodes).update(last_seen_at=now)
    _come_online([node for node in nodes.values() if node.is_approved], now=now, reason="its link opened")
    waiting = [node for node in nodes.values() if not node.is_approved and node.state == NodeState.OFFLINE]
    if waiting:
        Node.move_all(waiting, NodeState.PENDING, actor=LINK, reason="waits for an operator's approval")
    new = {one.channel for one in opened}
    return {session.node_id: session.channel for session in older if session.channel not in new}


def link_closed(*, node_id: str, channel: str, reason: str, grace_s: float | None = None) -> bool:
    """False when a newer link speaks for the node by now, and nothing changed."""
    return bool(links_closed([Closed(node_id=node_id, channel=channel, reason=reason, grace_s=grace_s)]))


@transaction.atomic
def links_closed(closed: Collection[Closed]) -> list[str]:
    """Returns the nodes that have no link now; for the others a newer one speaks.

    The number of statements depends on the number of different reasons alone.
    """
    now, gone = timezone.now(), {one.channel: one for one in closed}
    nodes = _locked([one.node_id for one in closed])
    ended = [session for session in _open_sessions(nodes) if session.channel in gone]
    _end_sessions(ended, now=now, reasons={one.node_id: gone[one.channel].reason for one in ended})
    alike = defaultdict[tuple[str, float], list[Node]](list)
    for session in ended:
        if nodes[session.node_id].state == NodeState.ONLINE:
            one = gone[session.channel]
            grace_s = settings.HIVE_NODE_GRACE_S if one.grace_s is None else one.grace_s
            alike[one.reason, grace_s].append(nodes[session.node_id])
    for (reason, grace_s), those in alike.items():
        deadline_at = now + timedelta(seconds=grace_s)
        Node.move_all(those, NodeState.UNKNOWN, actor=LINK, reason=reason, deadline_at=deadline_at)
    return [session.node_id for session in ended]


def heartbeats(seen: Mapping[str, Observed]) -> list[str]:
    """Note that these nodes were heard just now. Returns those that this brought back online.

    A node whose link has closed meanwhile is left out: its last words do not bring it back.
    Set-based: two statements however many nodes there are, and a few more for those that come back.
    """
    now, online = timezone.now(), online_count()
    with transaction.atomic():
        # Nodes first, then their sessions, as a link that opens or closes does: nobody waits in a circle.
        states = _note_stats(seen, now=now, deadline_at=silent_from(now, online=online))
        _note_sessions(list(states), now=now, silence=timedelta(seconds=silence_s(online)))
    back = [node_id for node_id, state in states.items() if state in (NodeState.UNKNOWN, NodeState.OFFLINE)]
    if not back:
        return []
    nodes = Node.objects.filter(pk__in=back, approved_at__isnull=False)
    return _come_online(list(nodes), now=now, reason="heard again")


def sweep_silent() -> list[str]:
    """Move nodes whose deadline has passed: online -> unknown -> offline. Returns those that changed."""
    now = timezone.now()
    late = Node.objects.filter(deadline_at__lte=now)
    grace = now + timedelta(seconds=settings.HIVE_NODE_GRACE_S)
    # A node that was heard, or lost, in this very moment is passed over: the other side won.
    moved = Node.move_all(
        list(late.filter(state=NodeState.ONLINE)),
        NodeState.UNKNOWN,
        actor=SWEEP,
        reason="no heartbeat in time",
        deadline_at=grace,
    )
    since, alike = listening_since(now=now), defaultdict[str, list[Node]](list)
    for node in late.filter(state=NodeState.UNKNOWN):
        if _counts(node, since=since, now=now):
            alike[node.reason].append(node)
    for reason, nodes in alike.items():
        moved += _lose(nodes, reason=reason)
    return [node.id for node in moved]


def online_count() -> int:
    """How many nodes are online, or were a moment ago: only the pace of thousands depends on it."""
    global _counted
    counted_at_s, online = _counted
    if time.monotonic() - counted_at_s >= COUNTED_EVERY_S:
        online = Node.objects.filter(state=NodeState.ONLINE).count()
        _counted = (time.monotonic(), online)
    return online


def peers(node_ids: Collection[str]) -> dict[str, str | None]:
    """From which IP address each of these nodes called last."""
    newest = (
        NodeSession.objects.filter(node__in=node_ids).order_by("node_id", "-opened_at").distinct("node_id")
    )
    return dict(newest.values_list("node_id", "peer"))


def _counts(node: Node, *, since: datetime | None, now: datetime) -> bool:
    """Is this silence its own? Not while nobody listens, nor before it was heard since or had its time.

    `since`: from when on somebody has listened.
    """
    if since is None:
        return False
    heard_since = node.last_seen_at is not None and node.last_seen_at >= since
    return heard_since or now >= since + timedelta(seconds=REATTACH_S)


@transaction.atomic
def _lose(nodes: list[Node], *, reason: str) -> list[Node]:
    """They are offline, and what they offer is withdrawn until they come back."""
    lost = Node.move_all(nodes, NodeState.OFFLINE, actor=SWEEP, reason=f"silent: {reason}")
    withdraw_of_lost([node.id for node in lost], reason=reason)
    return lost


@transaction.atomic
def _come_online(nodes: Collection[Node], *, now: datetime, reason: str) -> list[str]:
    """Returns those that were not. What they offered when they were lost can be taken again."""
    deadline_at, alike = silent_from(now, online=online_count()), defaultdict[str, list[Node]](list)
    for node in nodes:
        alike[node.state].append(node)
    if there := alike.pop(NodeState.ONLINE, []):
        ids = [node.id for node in there]
        Node.objects.filter(pk__in=ids, state=NodeState.ONLINE).update(deadline_at=deadline_at)
    were_lost = [node.id for node in alike.get(NodeState.OFFLINE, [])]
    came = [
        node.id
        for those in alike.values()
        for node in Node.move_all(
            those, NodeState.ONLINE, actor=LINK, reason=reason, deadline_at=deadline_at, last_seen_at=now
        )
    ]
    if were_lost:
        relist(were_lost)
    return came


def _locked(node_ids: Collection[str]) -> dict[str, Node]:
    """In the order of their ids, as everybody locks several: nobody waits in a circle."""
    nodes = Node.objects.select_for_update().filter(pk__in=node_ids).order_by("pk")
    return {node.id: node for node in nodes}


def _open_sessions(node_ids: Collection[str]) -> list[NodeSession]:
    return list(NodeSession.objects.filter(node__in=node_ids, closed_at=None))


def _end_sessions(sessions: list[NodeSession], *, now: datetime, reasons: Mapping[str, str]) -> None:
    """`reasons` are by node id."""
    for session in sessions:
        # A session whose process died ends when the node was last heard, not when that was noticed.
        heard_until = silent_from(session.last_seen_at)
        session.closed_at = now if now <= heard_until else session.last_seen_at
        session.close_reason = reasons[session.node_id][:200]
    NodeSession.objects.bulk_update(sessions, ["closed_at", "close_reason"])


def _note_sessions(node_ids: list[str], *, now: datetime, silence: timedelta) -> None:
    """A silence within one link cuts its session in two: the time between was not heard."""
    heard = NodeSession.objects.filter(node__in=node_ids, closed_at=None)
    if heard.filter(last_seen_at__gte=now - silence).update(last_seen_at=now) < len(node_ids):
        _split_sessions(list(heard.filter(last_seen_at__lt=now - silence)), now=now)


def _split_sessions(silent: list[NodeSession], *, now: datetime) -> None:
    NodeSession.objects.filter(pk__in=[session.pk for session in silent]).update(
        closed_at=F("last_seen_at"), close_reason="silent, though its link stayed open"
    )
    _begin_sessions(silent, now=now)


def _begin_sessions(links: Iterable[Opened | NodeSession], *, now: datetime) -> None:
    NodeSession.objects.bulk_create(
        NodeSession(
            node_id=link.node_id,
            opened_at=now,
            last_seen_at=now,
            channel=link.channel,
            peer=link.peer,
            round_trip_ms=link.round_trip_ms,
        )
        for link in links
    )


def _note_stats(seen: Mapping[str, Observed], *, now: datetime, deadline_at: datetime) -> dict[str, str]:
    """Returns the states of those that have a link. Their rows are locked, in the order of their ids."""
    stats = [msgspec.json.encode(observed.stats).decode() for observed in seen.values()]
    with connection.cursor() as cursor:
        cursor.execute(_NOTE_STATS, [list(seen), stats, now, deadline_at])
        return dict(cursor.fetchall())


_NOTE_STATS = """
    WITH linked AS (
        SELECT node.id, seen.stats
        FROM unnest(%s::text[], %s::text[]) AS seen (id, stats)
        JOIN nodes_node AS node ON node.id = seen.id
        JOIN nodes_nodesession AS session ON session.node_id = node.id AND session.closed_at IS NULL
        ORDER BY node.id
        FOR NO KEY UPDATE OF node
    )
    UPDATE nodes_node AS node SET
        last_seen_at = %s,
        stats = linked.stats::jsonb,
        deadline_at = CASE WHEN node.state = 'online' THEN %s ELSE node.deadline_at END
    FROM linked WHERE node.id = linked.id
    RETURNING node.id, node.state
"""
