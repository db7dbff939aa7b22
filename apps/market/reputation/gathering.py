"""Facts that nobody writes down where they happen, as they are made of a whole day: found by a task, once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice

from django.db.models import Exists, F, OuterRef, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from apps.market.models import Agreement, AgreementState
from apps.market.reputation.drifting import EARLIER, drift
from apps.market.reputation.noting import WEIGHTS, fact, note_all, of_own_team
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
    served = whole_day.annotate(is_own=of_own_team()).order_by("pk").iterator()
    while some := list(islice(served, AT_ONCE)):
        note_all(_served(agreement, day, own_team=agreement.is_own) for agreement in some)


def gather_drift(*, now: datetime) -> None:
    """Nodes that measured themselves lately, and were slower than they used to be. One a day counts."""
    known = ReputationFact.objects.filter(node=OuterRef("node"), kind=FactKind.SLOWED, at=OuterRef("at"))
    newest = NodeBenchmark.objects.filter(
        ~Exists(known), at__gt=now - DAY, pk__in=Node.objects.values("benchmark")
    )
    measured = newest.order_by("pk").iterator()
    while some := list(islice(measured, AT_ONCE)):
        earlier = _earlier([one.node_id for one in some])
        slower = [
            (one, drift(one, [past for past in earlier[one.node_id] if past.at < one.at])) for one in some
        ]
        note_all(_slowed(one, words) for one, words in slower if words)


def _earlier(node_ids: Collection[str]) -> dict[str, list[NodeBenchmark]]:
    """What each measured before its newest, the last few. One query."""
    place = Window(RowNumber(), partition_by=F("node"), order_by=F("at").desc())
    past = NodeBenchmark.objects.filter(node__in=node_ids, at__lt=F("node__benchmark__at"))
    earlier = defaultdict[str, list[NodeBenchmark]](list)
    for one in past.annotate(place=place).filter(place__lte=EARLIER):
        earlier[one.node_id].append(one)
    return earlier


def _slowed(newest: NodeBenchmark, words: str) -> ReputationFact:
    reference = f"slowed:{newest.node_id}:{newest.at:%Y-%m-%d}"
    return fact(newest.node_id, FactKind.SLOWED, reference=reference, at=newest.at, detail=words)


def _served(agreement: Agreement, day: datetime, *, own_team: bool) -> ReputationFact:
    reference = f"served:{agreement.pk}:{day:%Y-%m-%d}"
    return fact(
        agreement.node_id,
        FactKind.SERVED,
        reference=reference,
        at=day + DAY,
        agreement=agreement,
        own_team=own_team,
    )


def _note_uptime(starts: Mapping[str, datetime], end: datetime) -> None:
    """`starts`: since when each was expected; a part of a day weighs as much less."""
    unheard = unheard_ms({pk: (_ms(start), _ms(end)) for pk, start in starts.items()})
    note_all(_uptime(pk, start, end, timedelta(milliseconds=unheard[pk])) for pk, start in starts.items())


def _uptime(node_id: str, start: datetime, end: datetime, unheard: timedelta) -> ReputationFact:
    expected = end - start
    heard = expected - unheard
    return fact(
        node_id,
        FactKind.UPTIME,
        at=end,
        weight=WEIGHTS[FactKind.UPTIME] * (expected / DAY),
        merit=max(heard / expected, 0.0),
        reference=f"uptime:{node_id}:{end - DAY:%Y-%m-%d}",
        detail=f"there for {heard / HOUR:.3g} of {expected / HOUR:.3g} hours",
    )


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
