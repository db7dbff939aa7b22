"""Whether a node is there: links that open and close, heartbeats, and the silence that follows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import msgspec
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from agent.protocol import Observed
from apps.nodes.listeners import heard_ms, listening_since, settled_until_ms
from apps.nodes.models import Node, NodeSession, NodeState
from apps.nodes.silence import REATTACH_S, silence_s, silent_from
from apps.teams.audit import Actor
from apps.teams.states import StaleState

__all__ = [
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


@transaction.atomic
def link_opened(*, node_id: str, channel: str, peer: str | None = None) -> str | None:
    """The node proved its key on this link. Returns the channel of the older link it replaces, if any.

    `peer` is the IP address from which the link comes.
    """
    node = Node.objects.select_for_update().get(pk=node_id)
    now = timezone.now()
    older = _end_session(node_id, now=now, reason="replaced by a newer link")
    NodeSession.objects.create(node=node, opened_at=now, last_seen_at=now, channel=channel, peer=peer)
    Node.objects.filter(pk=node_id).update(last_seen_at=now)
    if node.is_approved:
        _come_online(node, now=now, reason="its link opened")
    elif node.state == NodeState.OFFLINE:
        node.move_to(NodeState.PENDING, actor=LINK, reason="waits for an operator's approval")
    return older


@transaction.atomic
def link_closed(*, node_id: str, channel: str, reason: str, grace_s: float | None = None) -> bool:
    """The link is gone; False when a newer one speaks for the node by now, and nothing changed.

    `grace_s`: how long it may stay away before it is offline, `HIVE_NODE_GRACE_S` unless said otherwise.
    """
    node = Node.objects.select_for_update().get(pk=node_id)
    now = timezone.now()
    if not _end_session(node_id, now=now, reason=reason, channel=channel):
        return False
    if node.state == NodeState.ONLINE:
        grace = timedelta(seconds=settings.HIVE_NODE_GRACE_S if grace_s is None else grace_s)
        node.move_to(NodeState.UNKNOWN, actor=LINK, reason=reason, deadline_at=now + grace)
    return True


def heartbeats(seen: Mapping[str, Observed]) -> list[str]:
    """Note that these nodes were heard just now. Returns those that this brought back online.

    A node whose link has closed meanwhile is left out: its last words do not bring it back.
    Set-based: three statements however many nodes there are, and a few more for each that comes back.
    """
    now, online = timezone.now(), online_count()
    linked = NodeSession.objects.filter(node__in=seen, closed_at=None).values_list("node_id", flat=True)
    seen = {node_id: seen[node_id] for node_id in linked}
    with transaction.atomic():
        # Nodes first, then their sessions, as a link that opens or closes does: nobody waits in a circle.
        _note_stats(seen, now=now, deadline_at=silent_from(now, online=online))
        _split_sessions(list(seen), now=now, silence=timedelta(seconds=silence_s(online)))
        NodeSession.objects.filter(node__in=seen, closed_at=None).update(last_seen_at=now)
    back = Node.objects.filter(pk__in=seen, approved_at__isnull=False).filter(
        state__in=[NodeState.UNKNOWN, NodeState.OFFLINE]
    )
    return [node.id for node in back if _come_online(node, now=now, reason="heard again")]


def sweep_silent() -> list[str]:
    """Move nodes whose deadline has passed: online -> unknown -> offline. Returns those that changed."""
    now = timezone.now()
    late = Node.objects.filter(deadline_at__lte=now)
    grace = now + timedelta(seconds=settings.HIVE_NODE_GRACE_S)
    silent = [
        node.id
        for node in late.filter(state=NodeState.ONLINE)
        if _moved(node, NodeState.UNKNOWN, reason="no heartbeat in time", deadline_at=grace)
    ]
    return silent + [
        node.id
        for node in late.filter(state=NodeState.UNKNOWN)
        if _counts(node, now=now) and _moved(node, NodeState.OFFLINE, reason=f"silent: {node.reason}")
    ]


def online_count() -> int:
    return Node.objects.filter(state=NodeState.ONLINE).count()


def peers(node_ids: Collection[str]) -> dict[str, str | None]:
    """From which IP address each of these nodes called last."""
    newest = (
        NodeSession.objects.filter(node__in=node_ids).order_by("node_id", "-opened_at").distinct("node_id")
    )
    return dict(newest.values_list("node_id", "peer"))


def _counts(node: Node, *, now: datetime) -> bool:
    """Is this silence its own? Not while nobody listens, nor before it was heard since or had its time."""
    since = listening_since(now=now)
    if since is None:
        return False
    heard_since = node.last_seen_at is not None and node.last_seen_at >= since
    return heard_since or now >= since + timedelta(seconds=REATTACH_S)


def _moved(node: Node, state: str, *, reason: str, deadline_at: datetime | None = None) -> bool:
    """False when the node was heard, or lost, in this very moment: the other side won."""
    try:
        node.move_to(state, actor=SWEEP, reason=reason, deadline_at=deadline_at)
    except StaleState:
        return False
    return True


def _come_online(node: Node, *, now: datetime, reason: str) -> bool:
    deadline = silent_from(now, online=online_count())
    if node.state == NodeState.ONLINE:
        Node.objects.filter(pk=node.pk, state=NodeState.ONLINE).update(deadline_at=deadline)
        return False
    try:
        node.move_to(NodeState.ONLINE, actor=LINK, reason=reason, deadline_at=deadline, last_seen_at=now)
    except StaleState:
        return False
    return True


def _end_session(node_id: str, *, now: datetime, reason: str, channel: str = "") -> str | None:
    """Close the node's open session (if it is this channel's); returns its channel."""
    session = NodeSession.objects.filter(node=node_id, closed_at=None).first()
    if session is None or (channel and session.channel != channel):
        return None
    # A session whose process died ends when the node was last heard, not when that was noticed.
    heard_until = silent_from(session.last_seen_at)
    session.closed_at = now if now <= heard_until else session.last_seen_at
    session.close_reason = reason[:200]
    session.save(update_fields=["closed_at", "close_reason"])
    return session.channel


def _split_sessions(node_ids: list[str], *, now: datetime, silence: timedelta) -> None:
    """A silence within one link cuts its session in two: the time between was not heard."""
    cut = NodeSession.objects.select_for_update().filter(
        node__in=node_ids, closed_at=None, last_seen_at__lt=now - silence
    )
    silent = [(session.node_id, session.channel, session.peer) for session in cut]
    if silent:
        cut.update(closed_at=F("last_seen_at"), close_reason="silent, though its link stayed open")
        NodeSession.objects.bulk_create(
            NodeSession(node_id=node_id, opened_at=now, last_seen_at=now, channel=channel, peer=peer)
            for node_id, channel, peer in silent
        )


def _note_stats(seen: Mapping[str, Observed], *, now: datetime, deadline_at: datetime) -> None:
    stats = [msgspec.json.encode(observed.stats).decode() for observed in seen.values()]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE nodes_node AS node SET
                last_seen_at = %s,
                stats = seen.stats::jsonb,
                deadline_at = CASE WHEN node.state = 'online' THEN %s ELSE node.deadline_at END
            FROM unnest(%s::text[], %s::text[]) AS seen (id, stats)
            WHERE node.id = seen.id
            """,
            [now, deadline_at, list(seen), stats],
        )
