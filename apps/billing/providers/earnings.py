"""What Bees earned and were paid, read from the ledger: a few queries however many Bees are asked about."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.utils import timezone

from apps.billing.ledger.accounts import EARNED, Account, AccountKind, Transfer
from apps.billing.providers.disputes import Dispute, DisputeState
from apps.billing.providers.models import DebitNote
from apps.billing.treasury.models import Payment, PaymentState
from apps.market.models import Agreement
from apps.money import ZERO

MONTH = timedelta(days=30)
ON_THE_WAY = tuple(set(PaymentState) - {PaymentState.FINAL, PaymentState.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Earnings:
    """In GLM. What was earned in all is paid, on its way or pending: nothing else can have become of it."""

    today_glm: Decimal = ZERO
    """Since midnight UTC."""
    month_glm: Decimal = ZERO
    """In the last 30 days."""
    total_glm: Decimal = ZERO
    paid_glm: Decimal = ZERO
    """By payments that are final on the chain."""
    on_the_way_glm: Decimal = ZERO
    """By payments that are not final yet."""
    pending_glm: Decimal = ZERO
    """Rated, and not paid yet: the balance that is payable."""

    def __add__(self, other: Earnings) -> Earnings:
        return Earnings(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


NOTHING = Earnings()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementEarnings:
    """What one agreement brought in, and how its newest debit note stands ("" while it has none)."""

    agreement: Agreement
    earned_glm: Decimal
    asked_glm: Decimal | None
    note_state: str
    note_reason: str
    note_final: bool = False
    """It is the invoice."""
    dispute_id: uuid.UUID | None = None
    """Of its newest one, open or over."""


def earnings_of(node_ids: Collection[str], *, now: datetime | None = None) -> dict[str, Earnings]:
    """Of each of these nodes; three queries."""
    now = now or timezone.now()
    found: dict[str, dict[str, Decimal]] = {node_id: {} for node_id in node_ids}
    for rows in (_earned(node_ids, now), _paid(node_ids), _pending(node_ids)):
        for row in rows:
            node_id = row.pop("of_node")
            found[node_id] |= {name: amount for name, amount in row.items() if amount is not None}
    return {node_id: Earnings(**amounts) for node_id, amounts in found.items()}


def by_agreement(node_ids: Collection[str], *, since: datetime) -> QuerySet[Agreement]:
    """Their agreements that were in force since then, or came to nothing since; newest first.

    See `told` for what they say.
    """
    newest = DebitNote.objects.filter(agreement=OuterRef("pk")).order_by("-sequence")
    disputes = Dispute.objects.filter(agreement=OuterRef("pk")).order_by("-opened_at")
    settled = disputes.filter(state=DisputeState.SETTLED)
    lately = Q(ended_at=None) | Q(ended_at__gte=since)
    return (
        Agreement.objects.filter(lately, node__in=node_ids)
        .select_related("node", "team", "hold")
        .annotate(
            asked_glm=Subquery(newest.values("amount")[:1]),
            note_state=Subquery(newest.values("state")[:1]),
            note_reason=Subquery(newest.values("reason")[:1]),
            note_final=Subquery(newest.values("final")[:1]),
            dispute_id=Subquery(disputes.values("pk")[:1]),
            granted_glm=Subquery(settled.values("granted_glm")[:1]),
        )
        .order_by("-created_at", "pk")
    )


def told(agreement: Agreement) -> AgreementEarnings:
    """Of an agreement that `by_agreement` found."""
    row: Any = agreement
    hold = getattr(agreement, "hold", None)
    return AgreementEarnings(
        agreement=agreement,
        earned_glm=(hold.posted if hold else ZERO) + (row.granted_glm or ZERO),
        asked_glm=row.asked_glm,
        note_state=row.note_state or "",
        note_reason=row.note_reason or "",
        note_final=bool(row.note_final),
        dispute_id=row.dispute_id,
    )


def _earned(node_ids: Collection[str], now: datetime) -> Any:
    """What was posted to them. A payment that failed comes back by a counter-entry, which is not earned."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    posted = Transfer.objects.filter(
        kind__in=EARNED, credit__kind=AccountKind.PAYABLE, credit__node__in=node_ids
    )
    return _by_node(
        posted,
        "credit__node_id",
        today_glm=Sum("amount", filter=Q(at__gte=midnight)),
        month_glm=Sum("amount", filter=Q(at__gte=now - MONTH)),
        total_glm=Sum("amount"),
    )


def _paid(node_ids: Collection[str]) -> Any:
    return _by_node(
        Payment.objects.filter(node__in=node_ids),
        "node_id",
        paid_glm=Sum("amount", filter=Q(state=PaymentState.FINAL)),
        on_the_way_glm=Sum("amount", filter=Q(state__in=ON_THE_WAY)),
    )


def _pending(node_ids: Collection[str]) -> Any:
    owed = Account.objects.filter(kind=AccountKind.PAYABLE, node__in=node_ids)
    return _by_node(owed, "node_id", pending_glm=Sum("guarded_balance"))


def _by_node(rows: QuerySet[Any], node: str, **sums: Sum) -> Any:
    """One row of sums for each node, named by `of_node`."""
    renamed = rows.order_by().values(node).annotate(**sums)
    return ({"of_node": row.pop(node)} | row for row in renamed)
