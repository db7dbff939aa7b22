"""The complete wanted set of a node, gathered from the rooms that want something of it."""

from __future__ import annotations

import random

import msgspec
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from agent.protocol import Wanted
from apps.billing.metering import note_acks, usage_acks
from apps.deployments.assignments import wanted_assignments
from apps.market.negotiation import pending_for
from apps.nodes.enrolment import NodeBanned
from apps.nodes.models import Node, NodeState
from apps.nodes.presence import online_count
from apps.nodes.silence import heartbeat_s
from hive_portal.framing import fitting

JITTER = 0.1
"""Heartbeats are asked for up to this share early, so that many Bees do not report in step."""


def wanted_for(node_id: str, *, before: Wanted | None = None) -> Wanted:
    """`before` is what was sent last on the same link: while the content stays, so does the revision.

    Raises NodeBanned.
    """
    node = Node.objects.only("approved_at", "state", "reason").get(pk=node_id)
    if node.state == NodeState.BANNED:
        raise NodeBanned(f"this node is banned: {node.reason}. Ask the operator of the Hive")
    proposals, agreements = pending_for(node_id)
    wanted = Wanted(
        revision=before.revision if before else 0,
        heartbeat_s=interval_s(),
        metering_interval_s=settings.HIVE_METERING_INTERVAL_S,
        now_ms=now_ms(),
        approved=node.is_approved,
        assignments=wanted_assignments(node_id),
        proposals=proposals,
        agreements=agreements,
        usage_acks=usage_acks(node_id),
        note_acks=note_acks(node_id),
    )
    wanted = fitting(wanted, node_id=node_id, before=before)
    if before and _content(before) == _content(wanted):
        return wanted
    return msgspec.structs.replace(wanted, revision=_next_revision(node_id))


def interval_s() -> float:
    """How long the node should wait until its next heartbeat."""
    return heartbeat_s(online_count()) * (1 - JITTER * random.random())


def now_ms() -> int:
    """The Queen's clock, in Unix milliseconds."""
    return int(timezone.now().timestamp() * 1000)


def _content(wanted: Wanted) -> Wanted:
    """Without what is different each time it is told: leases count from the moment of sending."""
    leases = [msgspec.structs.replace(one, lease_s=0) for one in wanted.assignments]
    return msgspec.structs.replace(wanted, revision=0, heartbeat_s=0, now_ms=0, assignments=leases)


def _next_revision(node_id: str) -> int:
    node = Node.objects.filter(pk=node_id)
    node.update(wanted_revision=F("wanted_revision") + 1)
    return node.values_list("wanted_revision", flat=True).get()
