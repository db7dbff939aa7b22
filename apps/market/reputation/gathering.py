"""Facts that nobody writes down where they happen, as they are made of a whole day: found by a task, once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.market.models import Agreement, AgreementState
from apps.market.reputation.drifting import EARLIER, drift
from apps.market.reputation.noting import WEIGHTS, note, note_all
from apps.market.reputation.records import FactKind, ReputationFact
from apps.nodes.listeners import unheard_ms
from apps.nodes.models import Node, NodeBenchmark, NodeSession, NodeState

MADE_UP_FOR = 7
"""Days of the past that are looked at: so long may the Queen have been away."""
AT_ONCE = 500
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def gather() -> None:
    """Everything of the days that are over (UTC), and of the newest benchmarks. Idempotent."""
    now = timezone.now()
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for ago in range(MADE_UP_FOR, 0, -1):
        gather_uptime(midnight - ago * DAY)
        gather_service(midnight - ago * DAY)
    gather_drift(now=now)


def gather_uptime(day: datetime) -> None:
    """How much of this day each node was heard that came at all. A machine that stays off harms nobody."""
    end = day + DAY
    came = NodeSession.objects.filter(node=OuterRef("pk"), opened_at__lt=end).exclude(closed_at__lte=day)
    known = ReputationFact.objects.filter(node=OuterRef("pk"), kind=FactKind.UPTIME, at=end)
    nodes = Node.objects.filter(Exists(came), ~Exists(known), approved_at__lt=end)
    there = nodes.exclude(state=NodeState.BANNED).order_by("pk")
    starts = {pk: max(approved_at or day, day) for pk, approved_at in there.values_list("pk", "approved_at")}
    ids = list(starts)
    for start in range(0, len(ids), AT_ONCE):
        _note_uptime({pk: starts[pk] for pk in ids[start : start + AT_ONCE]}, end)


def gather_service(day: datetime) -> None:
    """Agreements that were in force for the whole of this day: those that last for weeks count meanwhile."""
    end = day + DAY
    known = ReputationFact.objects.filter(agreement=OuterRef("pk"), kind=FactKind.SERVED, at=end)
    whole_day = Agreement.objects.filter(~Exists(known), approved_at__lte=day).filter(
        Q(state=AgreementState.APPROVED) | Q(ended_at__gte=end)
    )
    for agreement in whole_day.iterator():
        reference = f"served:{agreement.pk}:{day:%Y-%m-%d}"
        note(agreement.node_id, FactKind.SERVED, reference=reference, at=end, agreement=agreement)


def gather_drift(*, now: datetime) -> None:
    """Nodes that measured themselves lately, and were slower than they used to be. One a day counts."""
    known = ReputationFact.objects.filter(node=OuterRef("node"), kind=FactKind.SLOWED, at=OuterRef("at"))
    newest = NodeBenchmark.objects.filter(
        ~Exists(known), at__gt=now - DAY, pk__in=Node.objects.values("benchmark")
    )
    for one in newest.iterator():
        earlier = NodeBenchmark.objects.filter(node=one.node_id, at__lt=one.at).order_by("-at")[:EARLIER]
        if slower := drift(one, list(earlier)):
            reference = f"slowed:{one.node_id}:{one.at:%Y-%m-%d}"
            note(one.node_id, FactKind.SLOWED, reference=reference, at=one.at, detail=slower)


def _note_uptime(starts: Mapping[str, datetime], end: datetime) -> None:
    """`starts`: since when each was expected; a part of a day weighs as much less."""
    unheard = unheard_ms({pk: (_ms(start), _ms(end)) for pk, start in starts.items()})
    note_all(_uptime(pk, start, end, timedelta(milliseconds=unheard[pk])) for pk, start in starts.items())


def _uptime(node_id: str, start: datetime, end: datetime, unheard: timedelta) -> ReputationFact:
    expected = end - start
    heard = expected - unheard
    return ReputationFact(
        node_id=node_id,
        kind=FactKind.UPTIME,
        at=end,
        weight=WEIGHTS[FactKind.UPTIME] * (expected / DAY),
        merit=max(heard / expected, 0.0),
        reference=f"uptime:{node_id}:{end - DAY:%Y-%m-%d}",
        detail=f"there for {heard / HOUR:.3g} of {expected / HOUR:.3g} hours",
    )


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
