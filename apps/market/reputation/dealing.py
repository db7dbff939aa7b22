"""What happens between the market and a node: the facts of a negotiation, and of an agreement's end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from apps.market.models import Agreement, AgreementState
from apps.market.reputation.noting import end_of, fact, note, note_all
from apps.market.reputation.records import FactKind
from apps.nodes.models import Node, NodeState


def note_end(agreement: Agreement) -> None:
    """An agreement has just ended. One whose node is gone by then was not kept.

    Any other is judged when its usage is rated: work must have been done on it.
    """
    if agreement.approved_at is None:
        return
    if Node.objects.filter(pk=agreement.node_id, state=NodeState.OFFLINE).exists():
        note_loss(agreement, "it fell silent")


def note_loss(agreement: Agreement, detail: str) -> None:
    note(agreement.node_id, FactKind.LOST, reference=end_of(agreement), agreement=agreement, detail=detail)


def note_unsigned(agreement: Agreement, *, forged: bool = False) -> None:
    """The node did not sign. An owner's rules are the owner's: a refusal counts for nothing, silence does."""
    if forged:
        note(
            agreement.node_id,
            FactKind.BAD_SIGNATURE,
            reference=f"signature:{agreement.pk}",
            agreement=agreement,
        )
    elif agreement.state == AgreementState.EXPIRED:
        note_silence(agreement.node_id, asked_at=agreement.created_at)
    else:
        note(
            agreement.node_id,
            FactKind.REFUSED,
            reference=f"refused:{agreement.node_id}:{agreement.team_id}:{timezone.now():%Y-%m-%d}",
            agreement=agreement,
            detail=agreement.reason,
        )


def note_silence(node_id: str, *, asked_at: datetime) -> None:
    note_silences({node_id: asked_at})


def note_silences(asked_at: Mapping[str, datetime]) -> None:
    """By node: it was asked and did not answer, though it was heard a heartbeat later. Once a day for each.

    One that was not heard is silent altogether, which its uptime tells; and what the Queen was too busy to
    take in, or to ask, is not its fault.
    """
    now, grace = timezone.now(), timedelta(seconds=settings.HIVE_HEARTBEAT_S)
    heard = Node.objects.filter(pk__in=asked_at).values_list("pk", "last_seen_at")
    silent = [node_id for node_id, heard_at in heard if heard_at and heard_at > asked_at[node_id] + grace]
    note_all(
        fact(node_id, FactKind.UNANSWERED, reference=f"unanswered:{node_id}:{now:%Y-%m-%d}", at=now)
        for node_id in silent
    )
