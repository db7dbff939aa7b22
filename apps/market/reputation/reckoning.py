"""Keeping each node's reputation at hand in one row, so that whoever ranks thousands reads it in a join."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.market.reputation.noting import IN_A_TEAMS_HANDS
from apps.market.reputation.records import FactKind, NodeReputation, ReputationFact
from apps.market.reputation.telling import Lately, explain
from apps.market.reputation.weighing import FADED, NOTHING, Fact, Record, just, stand, weigh
from apps.nodes.models import Node

AT_ONCE = 500
IN_ONE_RUN = 2000
"""The rest comes with the next run: no worker is busy with it for longer than some seconds."""
ANEW = timedelta(days=1)
"""Facts fade without anything happening: a row older than this is computed again."""
SETTLES = timedelta(minutes=1)
"""A fact may be seen so long after the instant that it bears: its transaction took that time."""
COMPUTED = ("score", "is_newcomer", "evidence", "good", "kept", "lost", "uptime", "sentences", "computed_at")


_NOBODY = (datetime.min.replace(tzinfo=UTC), NOTHING)


def reckon_due() -> int:
    """Compute anew what has changed, or is a day old. Returns how many nodes that were.

    Two workers at once come to the same: what they write depends on the facts alone.
    """
    now = timezone.now()
    due = _due(now)
    due += _concerned(due, now=now) - set(due)
    return sum(reckon(due[start : start + AT_ONCE], now=now) for start in range(0, len(due), AT_ONCE))


def reckon(node_ids: Collection[str], *, now: datetime) -> int:
    """The rows of these nodes, in a fixed number of queries. Returns how many."""
    nodes = list(Node.objects.filter(pk__in=node_ids).order_by("pk"))
    facts = judged_facts(nodes, now=now)
    inherited = _inherited(nodes)
    NodeReputation.objects.bulk_create(
        [_row(node, facts[node.pk], inherited[node.pk], now=now) for node in nodes],
        update_conflicts=True,
        unique_fields=["node"],
        update_fields=COMPUTED,
    )
    return len(nodes)


def half_life() -> timedelta:
    """A day at least: a setting of 0 would forget everything at once."""
    return timedelta(days=max(settings.HIVE_REPUTATION_HALF_LIFE_DAYS, 1))


def judged_facts(nodes: Collection[Node], *, now: datetime) -> dict[str, list[Fact]]:
    """What counts of each, newest first: no failed starts of what never came up elsewhere. Two queries."""
    facts: dict[str, list[Fact]] = {node.pk: [] for node in nodes}
    rows = ReputationFact.objects.filter(node__in=facts, at__gt=now - FADED * half_life()).order_by("-at")
    for node_id, fact in _read(rows):
        facts[node_id].append(fact)
    elsewhere = _started_elsewhere(nodes, facts)
    return {pk: just(mine, started_elsewhere=elsewhere[pk]) for pk, mine in facts.items()}


def _row(node: Node, facts: list[Fact], inherited: Record, *, now: datetime) -> NodeReputation:
    record = weigh(facts, now=now, half_life=half_life())
    standing, lately = stand(record, inherited=inherited), Lately(facts, now=now)
    return NodeReputation(
        node=node,
        score=standing.score,
        is_newcomer=standing.is_newcomer,
        evidence=record.weight,
        good=record.good,
        kept=lately.kept,
        lost=lately.lost,
        uptime=lately.uptime,
        sentences=explain(facts, now=now, standing=standing),
        computed_at=now,
    )


def _read(rows: QuerySet[ReputationFact]) -> list[tuple[str, Fact]]:
    columns = ("node_id", "kind", "at", "weight", "merit", "agreement__team_id", "agreement_id", "subject")
    return [
        (node_id, Fact(kind, at, weight, merit, team if kind in IN_A_TEAMS_HANDS else None, str(pk), *rest))
        for node_id, kind, at, weight, merit, team, pk, *rest in rows.values_list(*columns, "detail")
    ]


def _started_elsewhere(nodes: Collection[Node], facts: Mapping[str, list[Fact]]) -> dict[str, frozenset[str]]:
    """By node: what it failed to start and another owner's machine has started."""
    failed = {fact.subject for mine in facts.values() for fact in mine if fact.kind == FactKind.START_FAILED}
    owners = defaultdict[str, set[int]](set)
    started = ReputationFact.objects.filter(kind=FactKind.STARTED, subject__in=failed - {""})
    for subject, owner_id in started.values_list("subject", "node__owner_id").distinct() if failed else ():
        owners[subject].add(owner_id)
    return {
        node.pk: frozenset(subject for subject, others in owners.items() if others - {node.owner_id})
        for node in nodes
    }


def _inherited(nodes: Collection[Node]) -> dict[str, Record]:
    """By node: the sum of what is known of its owner's machines that were there before it. One query."""
    known = NodeReputation.objects.filter(node__owner__in={node.owner_id for node in nodes}, evidence__gt=0)
    family = defaultdict[int, list[tuple[datetime, Record]]](lambda: [_NOBODY])
    rows = known.order_by("node__created_at").values_list(
        "node__owner", "node__created_at", "good", "evidence"
    )
    for owner_id, joined_at, good, evidence in rows:
        _, before = family[owner_id][-1]
        family[owner_id].append((joined_at, before + Record(good, evidence - good)))
    return {node.pk: _before(family[node.owner_id], node.created_at) for node in nodes}


def _before(sums: Sequence[tuple[datetime, Record]], at: datetime) -> Record:
    """The sum up to the last machine that joined before this instant."""
    return sums[bisect_left(sums, at, key=lambda each: each[0]) - 1][1]


def _due(now: datetime) -> list[str]:
    """Nodes without a row, then those with one of yesterday, or with news: who has waited longest first."""
    unknown = Node.objects.filter(reputation=None).order_by("pk").values_list("pk", flat=True)
    news = ReputationFact.objects.filter(
        node=OuterRef("node"), noted_at__gt=OuterRef("computed_at") - SETTLES
    )
    stale = NodeReputation.objects.filter(Q(computed_at__lte=now - ANEW) | Exists(news))
    known = stale.order_by("computed_at", "pk").values_list("pk", flat=True)
    return [*unknown[:IN_ONE_RUN], *known[:IN_ONE_RUN]][:IN_ONE_RUN]


def _concerned(node_ids: Collection[str], *, now: datetime) -> set[str]:
    """Who failed lately to start what one of these has started by now: later that would be no news."""
    lately = ReputationFact.objects.filter(at__gt=now - ANEW)
    started = lately.filter(node__in=node_ids, kind=FactKind.STARTED).exclude(subject="").values("subject")
    failed = lately.filter(kind=FactKind.START_FAILED, subject__in=started)
    return set(failed.values_list("node_id", flat=True))
