"""A node's reputation as people and programs read it: the row and, for who may know all, the facts behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from apps.market.reputation.reckoning import half_life
from apps.market.reputation.records import FactKind, NodeReputation, ReputationFact
from apps.market.reputation.weighing import NEWCOMER, NEWCOMER_UNTIL, Fact, faded
from apps.nodes.models import Node

NEWEST = 50
THERE = 0.99
"""Of a day."""
UNKNOWN = "a newcomer: nothing is known of it yet"


@dataclass(frozen=True, slots=True)
class ShownFact:
    at: datetime
    kind: str
    label: str
    detail: str
    speaks_for: float
    """What of its weight by now speaks for the node, in agreements; the rest of it speaks against."""
    speaks_against: float
    agreement_id: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    score: float
    is_newcomer: bool
    evidence: float
    kept: int
    lost: int
    uptime: float | None
    sentences: list[str]
    computed_at: datetime | None
    facts: list[ShownFact] = field(default_factory=list)

    @property
    def percent(self) -> int:
        """Rounded down: only who never failed comes close to 100."""
        return int(self.score * 100)

    @property
    def ended(self) -> int:
        """Agreements of the last 30 days that were kept or lost."""
        return self.kept + self.lost

    @property
    def uptime_percent(self) -> float | None:
        return None if self.uptime is None else int(self.uptime * 1000) / 10

    @property
    def newcomer_until(self) -> float:
        return NEWCOMER_UNTIL

    @property
    def half_life_days(self) -> float:
        return half_life() / timedelta(days=1)


def shown(node: Node, *, with_facts: bool) -> Shown:
    """One query, two with its facts. What happened under which agreement is for owner and operators."""
    row = NodeReputation.objects.filter(node=node).first()
    facts = _facts(node) if with_facts else []
    if row is None:
        return Shown(NEWCOMER.score, True, 0.0, 0, 0, None, [UNKNOWN], None, facts)
    return Shown(
        score=row.score,
        is_newcomer=row.is_newcomer,
        evidence=row.evidence,
        kept=row.kept,
        lost=row.lost,
        uptime=row.uptime,
        sentences=row.sentences,
        computed_at=row.computed_at,
        facts=facts,
    )


def _facts(node: Node) -> list[ShownFact]:
    """Without starts that went well, and days on which it was there: they are what is expected."""
    now, rows = timezone.now(), ReputationFact.objects.filter(node=node).order_by("-at", "-pk")
    rows = rows.exclude(kind=FactKind.STARTED).exclude(kind=FactKind.UPTIME, merit__gte=THERE)
    return [_shown(row, now=now) for row in rows[:NEWEST]]


def _shown(row: ReputationFact, *, now: datetime) -> ShownFact:
    fact = Fact(row.kind, row.at, row.weight, row.merit)
    weight = faded(fact, now=now, half_life=half_life())
    return ShownFact(
        at=row.at,
        kind=row.kind,
        label=row.get_kind_display(),
        detail=row.detail,
        speaks_for=weight * row.merit,
        speaks_against=weight * (1 - row.merit),
        agreement_id=str(row.agreement_id) if row.agreement_id else None,
    )
