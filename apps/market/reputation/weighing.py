"""What a node's facts come to: plain arithmetic, without a database.

The score is the mean of a Beta distribution (Jøsang and Ismail, "The Beta Reputation System", 2002): what
speaks for the node over all that is known of it, where each fact fades with a half-life and a small prior
stands in for what is not known yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.market.reputation.records import FactKind

PRIOR = 2.0
"""The weight of knowing nothing: as much as two agreements."""
PRIOR_MEAN = 0.6
NEWCOMER_UNTIL = 6.0
"""So much evidence and a node is no newcomer any more. More than any one team can give: see below."""
MOST_OF_ONE_TEAM = 5.0
"""The most that all facts with one team weigh together, so that no team makes or breaks a node alone."""
MOST_INHERITED = 10.0
"""How much of the record of its owner's earlier machines goes with a new one at most."""
FADED = 10
"""After so many half-lives a fact weighs less than a thousandth: it isn't read any more."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact as the arithmetic needs it: see `records.ReputationFact`."""

    kind: str
    at: datetime
    weight: float
    merit: float = 0.0
    team: int | None = None
    """With whom it happened; None when no team had a part in it."""
    agreement: str | None = None
    subject: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """Evidence by now: how much speaks for a node, and how much against it."""

    good: float = 0.0
    bad: float = 0.0

    @property
    def weight(self) -> float:
        return self.good + self.bad

    def __add__(self, other: Record) -> Record:
        return Record(self.good + other.good, self.bad + other.bad)

    def at_most(self, weight: float) -> Record:
        """The same proportion, weighing no more than this."""
        share = min(1.0, weight / self.weight) if self.weight else 1.0
        return Record(self.good * share, self.bad * share)


UNKNOWN = Record(PRIOR * PRIOR_MEAN, PRIOR * (1 - PRIOR_MEAN))
NOTHING = Record()


@dataclass(frozen=True, slots=True)
class Standing:
    score: float
    evidence: float
    is_newcomer: bool
    inherits: bool = False
    """Whether the record of its owner's earlier machines lowers it."""


NEWCOMER = Standing(score=PRIOR_MEAN, evidence=0.0, is_newcomer=True)
"""Of a node of which nothing is known, nor of its owner."""


def stand(record: Record, *, inherited: Record = NOTHING) -> Standing:
    """The score: the record on top of what is expected of somebody unknown.

    `inherited` is the record of the owner's earlier machines. Where it is worse than a stranger's it goes
    with the new one, so that nobody gets rid of a bad name by a new key; a good one proves nothing of a new
    machine.
    """
    prior = UNKNOWN + inherited.at_most(MOST_INHERITED)
    inherits = _mean(prior) < PRIOR_MEAN
    return Standing(
        score=_mean((prior if inherits else UNKNOWN) + record),
        evidence=record.weight,
        is_newcomer=record.weight < NEWCOMER_UNTIL,
        inherits=inherits,
    )


def weigh(facts: Iterable[Fact], *, now: datetime, half_life: timedelta) -> Record:
    """All facts by now, those with one team together bounded."""
    by_team: dict[int | None, Record] = defaultdict(Record)
    for fact in facts:
        weight = faded(fact, now=now, half_life=half_life)
        by_team[fact.team] += Record(weight * fact.merit, weight * (1 - fact.merit))
    bounded = (
        record if team is None else record.at_most(MOST_OF_ONE_TEAM) for team, record in by_team.items()
    )
    return sum(bounded, NOTHING)


def faded(fact: Fact, *, now: datetime, half_life: timedelta) -> float:
    """What it still weighs; one that is dated in the future weighs what a new one does."""
    age = max(now - fact.at, timedelta(0))
    return float(fact.weight * 0.5 ** (age / half_life))


def just(facts: Iterable[Fact], *, started_elsewhere: frozenset[str]) -> list[Fact]:
    """Without the failed starts of what never came up anywhere else: there the fault is the image's."""
    return [fact for fact in facts if fact.kind != FactKind.START_FAILED or fact.subject in started_elsewhere]


def _mean(record: Record) -> float:
    return record.good / record.weight
