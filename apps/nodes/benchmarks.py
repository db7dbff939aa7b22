"""What nodes measured of themselves: stored with its date, the newest beside the node.

A Bee could lie, as it could about its threads: who pays sees by `Statistic` and bill what it gets.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from agent.protocol import Benchmarks
from apps.nodes.measured import NodeBenchmark
from apps.nodes.models import Node

SOONEST = timedelta(minutes=1)
"""A node that measures more often than this fills no table."""


@transaction.atomic
def store(*, node_id: str, said: Benchmarks) -> NodeBenchmark | None:
    """The Bee says its newest again with each link: None when there is nothing new in it."""
    node = Node.objects.select_for_update(of=("self",)).select_related("benchmark").get(pk=node_id)
    at = min(_instant(said.at_ms), timezone.now())
    if node.benchmark is not None and at < node.benchmark.at + SOONEST:
        return None
    figures = {figure: getattr(said, figure) for figure in NodeBenchmark.FIGURES}
    measured = NodeBenchmark.objects.create(node=node, at=at, **figures)
    Node.objects.filter(pk=node_id).update(benchmark=measured)
    return measured


def _instant(unix_ms: int) -> datetime:
    """What lies beyond the calendar is now."""
    try:
        return datetime.fromtimestamp(unix_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return timezone.now()
