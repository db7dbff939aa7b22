"""The one door for facts: written in the transaction in which they happen, each once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef
from django.utils import timezone

from apps.market.models import Agreement
from apps.market.reputation.records import FactKind, ReputationFact
from apps.teams.models import Member

WEIGHTS = {
    FactKind.KEPT: 1.0,
    FactKind.SERVED: 0.25,
    FactKind.LOST: 1.0,
    FactKind.STARTED: 0.1,
    FactKind.START_FAILED: 0.5,
    FactKind.UNANSWERED: 0.25,
    FactKind.BAD_SIGNATURE: 1.0,
    FactKind.REFUSED: 0.0,
    FactKind.DISPUTED: 1.0,
    FactKind.MISREPORTED: 1.0,
    FactKind.UPTIME: 0.1,
    FactKind.SLOWED: 0.5,
}
"""What a new fact of each kind counts, in agreements. The most for those that carry a weight of their own."""
FOR_THE_NODE = frozenset({FactKind.KEPT, FactKind.SERVED, FactKind.STARTED})
IN_A_TEAMS_HANDS = frozenset({*FOR_THE_NODE, FactKind.LOST, FactKind.START_FAILED})
"""Facts that a team has a part in: they are bounded for each team, and those with a team of the node's own
owner count for nothing. The others are the node's own doing, whoever it deals with."""


def note(
    node_id: str,
    kind: FactKind,
    *,
    reference: str,
    at: datetime | None = None,
    weight: float | None = None,
    merit: float | None = None,
    agreement: Agreement | None = None,
    subject: str = "",
    detail: str = "",
) -> None:
    """Write it down, unless a fact with this reference is there already: the first word stands."""
    own = agreement is not None and kind in IN_A_TEAMS_HANDS and _is_own_team(agreement, node_id)
    told = fact(
        node_id,
        kind,
        reference=reference,
        at=at or timezone.now(),
        weight=weight,
        merit=merit,
        agreement=agreement,
        subject=subject,
        detail=detail,
        own_team=own,
    )
    note_all([told])


def fact(
    node_id: str,
    kind: FactKind,
    *,
    reference: str,
    at: datetime,
    weight: float | None = None,
    merit: float | None = None,
    agreement: Agreement | None = None,
    subject: str = "",
    detail: str = "",
    own_team: bool = False,
) -> ReputationFact:
    """Not written down yet: for who has many. With a team of its owner's own it weighs nothing."""
    if own_team:
        weight, detail = 0.0, f"with its owner's own team; {detail}".removesuffix("; ")
    return ReputationFact(
        node_id=node_id,
        kind=kind,
        reference=reference,
        at=at,
        weight=WEIGHTS[kind] if weight is None else weight,
        merit=float(kind in FOR_THE_NODE) if merit is None else merit,
        agreement=agreement,
        subject=subject,
        detail=detail[:300],
    )


def of_own_team() -> Exists:
    """Of agreements: whether the node's owner is a member of the team."""
    return Exists(Member.objects.filter(team=OuterRef("team"), user__nodes=OuterRef("node")))


def note_all(facts: Iterable[ReputationFact]) -> None:
    """Many in one statement; those that are known already are passed over."""
    ReputationFact.objects.bulk_create(facts, ignore_conflicts=True, batch_size=1000)


def end_of(agreement: Agreement) -> str:
    """An agreement is kept or lost, and only one of both: whichever was seen first."""
    return f"end:{agreement.pk}"


def _is_own_team(agreement: Agreement, node_id: str) -> bool:
    return Member.objects.filter(team=agreement.team_id, user__nodes=node_id).exists()
