"""The complete wanted sets of nodes, gathered from the rooms that want something of them."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

import msgspec
from django.conf import settings
from django.db import connection
from django.utils import timezone

from agent.protocol import RefusalCode, Refused, Wanted
from apps.billing.metering.intake import note_acks, usage_acks
from apps.deployments.assignments import wanted_assignments
from apps.market.negotiating.negotiation import agreements_for, proposals_for
from apps.nodes.models import Node, NodeState
from apps.nodes.presence import online_count
from apps.nodes.silence import heartbeat_s
from hive_portal.framing import fitting

JITTER = 0.1
"""Heartbeats are asked for up to this share early, so that many Bees do not report in step."""
TOLD_EVERY_S = 30.0
"""So often a node hears from us, though nothing is wanted of it: the pace it should keep, and our clock."""


def wanted_for_all(told: Mapping[str, Wanted | None]) -> dict[str, Wanted | Refused]:
    """By node id: what is wanted of it now, or why its link must end.

    `told` has what was sent last on the same link: while the content stays, so does the revision. The number
    of queries does not depend on the number of nodes.
    """
    nodes = Node.objects.only("approved_at", "state", "reason").in_bulk(list(told))
    gathered = _gather(nodes.values())
    wanted = {
        node_id: fitting(one, node_id=node_id, before=told[node_id]) for node_id, one in gathered.items()
    }
    changed = {node_id for node_id, one in wanted.items() if _is_news(one, told[node_id])}
    revisions = _next_revisions(changed) if changed else {}
    return {node_id: _refusal(node) for node_id, node in nodes.items() if node_id not in wanted} | {
        node_id: msgspec.structs.replace(one, revision=revisions.get(node_id, _revision(told[node_id])))
        for node_id, one in wanted.items()
    }


def needs_telling(wanted: Wanted, *, told: Wanted | None, heeded: int, silent_s: float) -> bool:
    """Whether to send it: an idle node that acts on what it was told last hears the same only now and then.

    Args:
        heeded: the newest revision that the node says it acts on.
        silent_s: since when nothing was sent to it.
    """
    if told is None or not wanted.revision == told.revision == heeded:
        return True
    return bears_something(wanted) or silent_s >= TOLD_EVERY_S


def bears_something(wanted: Wanted) -> bool:
    """A lease, an acknowledgement or a question: each may have been lost, and is told again."""
    return bool(
        wanted.assignments or wanted.proposals or wanted.agreements or wanted.usage_acks or wanted.note_acks
    )


def interval_s() -> float:
    """How long a node should wait until its next heartbeat."""
    return _jittered(heartbeat_s(online_count()))


def now_ms() -> int:
    """The Queen's clock, in Unix milliseconds."""
    return int(timezone.now().timestamp() * 1000)


def _gather(nodes: Collection[Node]) -> dict[str, Wanted]:
    """Of those that are not banned; the revision is known later."""
    ids = [node.id for node in nodes if node.state != NodeState.BANNED]
    approved = {node.id for node in nodes if node.is_approved}
    proposals, agreements, assignments = proposals_for(ids), agreements_for(ids), wanted_assignments(ids)
    usage, notes, pace_s = usage_acks(ids), note_acks(ids), heartbeat_s(online_count())
    return {
        node_id: Wanted(
            revision=0,
            heartbeat_s=_jittered(pace_s),
            metering_interval_s=settings.HIVE_METERING_INTERVAL_S,
            now_ms=now_ms(),
            approved=node_id in approved,
            assignments=assignments.get(node_id, []),
            proposals=proposals.get(node_id, []),
            agreements=agreements.get(node_id, []),
            usage_acks=usage.get(node_id, []),
            note_acks=notes.get(node_id, []),
        )
        for node_id in ids
    }


def _refusal(node: Node) -> Refused:
    reason = f"this node is banned: {node.reason}. Ask the operator of the Hive"
    return Refused(code=RefusalCode.BANNED, reason=reason, final=True)


def _jittered(pace_s: float) -> float:
    return pace_s * (1 - JITTER * random.random())


def _is_news(wanted: Wanted, told: Wanted | None) -> bool:
    return told is None or _content(told) != _content(wanted)


def _revision(told: Wanted | None) -> int:
    return told.revision if told else 0


def _content(wanted: Wanted) -> Wanted:
    """Without what is different each time it is told: leases count from the moment of sending."""
    leases = [msgspec.structs.replace(one, lease_s=0) for one in wanted.assignments]
    return msgspec.structs.replace(wanted, revision=0, heartbeat_s=0, now_ms=0, assignments=leases)


def _next_revisions(node_ids: Collection[str]) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE nodes_node SET wanted_revision = wanted_revision + 1
            WHERE id IN (SELECT id FROM nodes_node WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE)
            RETURNING id, wanted_revision
            """,
            [list(node_ids)],
        )
        return dict(cursor.fetchall())
