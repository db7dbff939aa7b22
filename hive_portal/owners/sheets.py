"""One sheet for each Bee: what runs on it, what it earned, and why not more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from apps.billing.providers.earnings import (
    NOTHING,
    AgreementEarnings,
    Earnings,
    by_agreement,
    earnings_of,
    told,
)
from apps.deployments.models import Assignment, AssignmentState
from apps.nodes.models import Node
from hive_portal.owners.facts import facts_of
from hive_portal.owners.reasons import Facts, Reason, why_not_more

AGREEMENTS = timedelta(days=30)
MOST_AGREEMENTS = 200


@dataclass(frozen=True, slots=True)
class BeeSheet:
    node: Node
    runs: list[Assignment]
    """In force now, each with its agreement. What the team put into its environment is not for the owner."""
    earned: Earnings
    facts: Facts
    reasons: list[Reason]


def sheets_of(nodes: Sequence[Node]) -> list[BeeSheet]:
    """In the order of `nodes`, in a fixed number of queries."""
    ids = [node.pk for node in nodes]
    runs, earned, facts = _running(ids), earnings_of(ids), facts_of(nodes)
    return [
        BeeSheet(
            node,
            runs.get(node.pk, []),
            earned.get(node.pk, NOTHING),
            facts[node.pk],
            why_not_more(facts[node.pk]),
        )
        for node in nodes
    ]


def agreements_of(node: Node) -> list[AgreementEarnings]:
    """Of the last 30 days, newest first."""
    found = by_agreement([node.pk], since=timezone.now() - AGREEMENTS)
    return [told(agreement) for agreement in found[:MOST_AGREEMENTS]]


def _running(ids: Sequence[str]) -> dict[str, list[Assignment]]:
    active = Assignment.objects.filter(node__in=ids, state=AssignmentState.ACTIVE)
    runs: dict[str, list[Assignment]] = defaultdict(list)
    for assignment in active.select_related("agreement__team").order_by("created_at"):
        runs[assignment.node_id].append(assignment)
    return runs
