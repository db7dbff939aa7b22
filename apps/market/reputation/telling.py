"""A reputation in sentences: each a fact or a count of facts, what weighs most against the node first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from apps.market.reputation.records import FactKind
from apps.market.reputation.weighing import Fact, Standing

LATELY = timedelta(days=30)
GOOD_UPTIME = 0.9
WORTH_TELLING = 0.05
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

    def harm_of(self, kind: FactKind) -> float:
        return sum(fact.weight * (1 - fact.merit) for fact in self.of(kind))

    def of(self, kind: FactKind) -> list[Fact]:
        """Newest first."""
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
    """What weighs most comes first."""
    told = [(lately.harm_of(kind), sentence) for kind in SENTENCES if (sentence := SENTENCES[kind](lately))]
    if inherits:
        told.append((1.0, "earlier machines of its owner did badly, and their record goes with it"))
    if lately.uptime is not None and lately.uptime < GOOD_UPTIME:
        told.append((lately.harm_of(FactKind.UPTIME), _there(lately)))
    return [sentence for _, sentence in sorted(told, key=lambda each: -each[0])]


def _lost(lately: Lately) -> str:
    of_all = _count(lately.kept + lately.lost, "agreement")
    why = _why(lately.of(FactKind.LOST))
    return f"lost {lately.lost} of {of_all} in the last 30 days{why}" if lately.lost else ""


def _failed(lately: Lately) -> str:
    failed = lately.of(FactKind.START_FAILED)
    return f"failed {_times(len(failed))} to start what came up elsewhere" if failed else ""


def _disputed(lately: Lately) -> str:
    """A claim that is ahead of our rating by seconds is no news."""
    asked = [fact for fact in lately.of(FactKind.DISPUTED) if fact.weight >= WORTH_TELLING]
    return f"asked for too much under {_count(len(asked), 'agreement')}: {asked[0].detail}" if asked else ""


def _false(lately: Lately) -> str:
    false = lately.of(FactKind.MISREPORTED)
    return (
        f"reported usage falsely under {_count(len(false), 'agreement')}: {false[0].detail}" if false else ""
    )


def _forged(lately: Lately) -> str:
    forged = lately.of(FactKind.BAD_SIGNATURE)
    return f"signed {_count(len(forged), 'agreement')} wrongly" if forged else ""


def _silent(lately: Lately) -> str:
    silent = lately.of(FactKind.UNANSWERED)
    return f"left questions unanswered on {_count(len(silent), 'day')} of the last 30" if silent else ""


def _slower(lately: Lately) -> str:
    slower = lately.of(FactKind.SLOWED)
    return f"became slower: {slower[0].detail}" if slower else ""


SENTENCES: dict[FactKind, Callable[[Lately], str]] = {
    FactKind.LOST: _lost,
    FactKind.START_FAILED: _failed,
    FactKind.DISPUTED: _disputed,
    FactKind.MISREPORTED: _false,
    FactKind.BAD_SIGNATURE: _forged,
    FactKind.UNANSWERED: _silent,
    FactKind.SLOWED: _slower,
}
"""What speaks against a node; each is empty when there is nothing of its kind to tell."""


def _for(lately: Lately) -> list[str]:
    told = []
    if lately.kept and not lately.lost:
        all_of = f"all {lately.kept} agreements" if lately.kept > 1 else "the one agreement"
        told.append(f"kept {all_of} of the last 30 days")
    if lately.uptime is not None and lately.uptime >= GOOD_UPTIME:
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
