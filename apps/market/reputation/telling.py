"""A reputation in sentences: each one fact or a count of facts, what weighs most against the node first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from apps.market.reputation.records import FactKind
from apps.market.reputation.weighing import Fact, Standing

LATELY = timedelta(days=30)
IN_FORCE = frozenset({FactKind.KEPT, FactKind.SERVED, FactKind.LOST})


class Lately:
    """Counts of the last 30 days: what people are told, while the score knows all that has not faded."""

    def __init__(self, facts: Sequence[Fact], *, now: datetime) -> None:
        self.facts = [fact for fact in facts if now - fact.at <= LATELY]
        lost = {fact.agreement for fact in self.facts if fact.kind == FactKind.LOST and fact.weight}
        ran = {fact.agreement for fact in self.facts if fact.kind in IN_FORCE and fact.weight}
        self.lost, self.kept = len(lost), len(ran - lost)
        self.own_team = len(
            {fact.agreement for fact in self.facts if fact.kind in IN_FORCE and not fact.weight}
        )
        days = [fact.merit for fact in self.facts if fact.kind == FactKind.UPTIME]
        self.days, self.uptime = len(days), sum(days) / len(days) if days else None

    def of(self, kind: FactKind) -> list[Fact]:
        return [fact for fact in self.facts if fact.kind == kind]


def explain(facts: Sequence[Fact], *, now: datetime, standing: Standing) -> list[str]:
    """What the score comes from; `facts` without those that are nobody's fault (`weighing.just`)."""
    lately = Lately(facts, now=now)
    told = [*_against(lately, inherits=standing.inherits), *_for(lately)]
    if standing.is_newcomer:
        told.append("a newcomer: too little is known of it yet to rely on it")
    if lately.own_team:
        told.append(f"{_count(lately.own_team, 'agreement')} with its owner's own team, not counted")
    if refused := len(lately.of(FactKind.REFUSED)):
        told.append(f"would not sign on {_count(refused, 'occasion')}, as its owner may: not counted")
    return told


def _against(lately: Lately, *, inherits: bool) -> list[str]:
    told = []
    if lately.lost:
        of_all = _count(lately.kept + lately.lost, "agreement")
        told.append(f"lost {lately.lost} of {of_all} in the last 30 days{_why(lately.of(FactKind.LOST))}")
    if inherits:
        told.append("earlier machines of its owner did badly, and their record goes with it")
    if failed := len(lately.of(FactKind.START_FAILED)):
        told.append(f"failed {_times(failed)} to start what came up elsewhere")
    if asked := lately.of(FactKind.DISPUTED):
        told.append(f"asked for too much under {_count(len(asked), 'agreement')}: {asked[0].detail}")
    if false := lately.of(FactKind.MISREPORTED):
        told.append(f"reported usage falsely under {_count(len(false), 'agreement')}: {false[0].detail}")
    if forged := len(lately.of(FactKind.BAD_SIGNATURE)):
        told.append(f"signed {_count(forged, 'agreement')} wrongly")
    if silent := len(lately.of(FactKind.UNANSWERED)):
        told.append(f"left questions unanswered in {_count(silent, 'hour')} of the last 30 days")
    if slower := lately.of(FactKind.SLOWED):
        told.append(f"became slower: {slower[0].detail}")
    if lately.uptime is not None and lately.uptime < 0.9:
        told.append(_there(lately))
    return told


def _for(lately: Lately) -> list[str]:
    told = []
    if lately.kept and not lately.lost:
        all_of = f"all {lately.kept} agreements" if lately.kept > 1 else "the one agreement"
        told.append(f"kept {all_of} of the last 30 days")
    if lately.uptime is not None and lately.uptime >= 0.9:
        told.append(_there(lately))
    return told


def _there(lately: Lately) -> str:
    assert lately.uptime is not None
    # Rounded down: 99.97 % is not all of the time.
    percent = int(lately.uptime * 1000) / 10
    return f"was there {percent:g} % of the time on {_count(lately.days, 'day')}"


def _why(lost: list[Fact]) -> str:
    """: it fell silent (2), its owner stopped it"""
    counts = Counter(fact.detail for fact in lost if fact.detail and fact.weight)
    told = [f"{why} ({count})" if count > 1 else why for why, count in counts.most_common(3)]
    return f": {', '.join(told)}" if told else ""


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
