"""How far away nodes are, as the Queen measures it at each link, and whether that fits what they declare."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Min, Q
from django.utils import timezone

from apps.nodes import regions
from apps.nodes.models import Node, NodeSession
from apps.teams.audit import Actor, AuditLine

PLACES = Actor.queen("places")
LATELY = timedelta(days=7)
"""The least of the links of so long counts, and of those that are open: a slow answer was a busy moment, a
machine that moved is found out in time."""


@transaction.atomic
def note_round_trips(measured: Mapping[str, tuple[str, float]]) -> None:
    """By channel of an open link: the node, and the least that it took. Weighs their regions anew."""
    nodes = Node.objects.select_for_update().filter(pk__in={node_id for node_id, _ in measured.values()})
    locked = list(nodes.order_by("pk"))
    sessions = list(NodeSession.objects.filter(channel__in=measured, closed_at=None))
    for session in sessions:
        session.round_trip_ms = measured[session.channel][1]
    NodeSession.objects.bulk_update(sessions, ["round_trip_ms"])
    weigh_regions(locked)


def weigh_regions(nodes: Collection[Node]) -> None:
    """Of nodes that were measured just now, in a fixed number of statements unless a belief changes."""
    measured = _least_lately([node.pk for node in nodes])
    changed = [node for node in nodes if _weigh(node, measured)]
    Node.objects.bulk_update(changed, ["round_trip_ms", "region_fault"])


def _least_lately(node_ids: Collection[str]) -> dict[str, float]:
    of_lately = Q(closed_at=None) | Q(opened_at__gte=timezone.now() - LATELY)
    lately = NodeSession.objects.filter(of_lately, node__in=node_ids, round_trip_ms__isnull=False)
    return dict(lately.order_by().values_list("node").annotate(Min("round_trip_ms")))


def _weigh(node: Node, measured: Mapping[str, float]) -> bool:
    """Whether something changed."""
    round_trip_ms = measured.get(node.pk)
    fault = regions.doubt(node.region, queen=settings.HIVE_REGION, round_trip_ms=round_trip_ms)[:200]
    before, was_ms = node.region_fault, node.round_trip_ms
    node.region_fault, node.round_trip_ms = fault, round_trip_ms
    if bool(fault) != bool(before):
        _tell(node)
    return (fault, round_trip_ms) != (before, was_ms)


def _tell(node: Node) -> None:
    """For the owner, who sees what happened to the node."""
    words = ("doubted", node.region_fault) if node.region_fault else ("believed", f"region {node.region}")
    AuditLine.write(node, before="", after=f"region {words[0]}", actor=PLACES, reason=words[1])
