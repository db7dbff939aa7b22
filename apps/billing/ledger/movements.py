"""What came into a team's budgets and went out of them, for people: what was paid in, what was used.

Holds and releases move money within a budget and are left out; usage is summed by hour and image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Max, OuterRef, Q, Subquery, Sum, UUIDField
from django.db.models.functions import Cast, Substr, TruncHour

from apps.billing.ledger.references import Behind, Told, behind
from apps.billing.models import Budget, Hold, Transfer, TransferKind

WITHIN = (TransferKind.HOLD, TransferKind.RELEASE)
WORDS: dict[str, str] = {
    TransferKind.DEPOSIT: "Paid in",
    TransferKind.USAGE: "Used",
    TransferKind.PAYOUT: "Withdrawn",
    TransferKind.TAX: "Taxes",
    TransferKind.COUNTER: "Undone",
}
"""What a team calls them; the ledger's words are those of the Hive."""
UNDER_WAY = "Withdrawal under way"
_AFTER_PREFIX = len("hold:") + 1


@dataclass(frozen=True, slots=True)
class Movement:
    """`amount_glm` is above zero for what came in, below for what went out. `at` is that of the latest."""

    at: datetime
    what: str
    about: str
    amount_glm: Decimal
    tx_hash: str = ""
    """The chain's transaction, where there is one."""


def called(kind: str, *, is_under_way: bool = False) -> str:
    """An entry of this kind, in a team's own words."""
    if kind == TransferKind.PAYOUT and is_under_way:
        return UNDER_WAY
    return WORDS.get(kind) or str(TransferKind(kind).label)


def movements_of(budgets: Iterable[Budget], *, limit: int) -> list[Movement]:
    """Newest first; each kind of movement has its share of at least half the lines where it has as many."""
    accounts = {account for budget in budgets for account in (budget.available_id, budget.held_id)}
    used, others = _used(accounts, limit=limit), _others(accounts, limit=limit)
    room_for_others = max(limit // 2, limit - len(used))
    shown = others[:room_for_others]
    return sorted([*shown, *used[: limit - len(shown)]], key=lambda each: each.at, reverse=True)


def _used(accounts: set[UUID], *, limit: int) -> list[Movement]:
    hold = Hold.objects.filter(pk=Cast(Substr(OuterRef("reference"), _AFTER_PREFIX), UUIDField()))
    usage = Transfer.objects.filter(
        kind=TransferKind.USAGE, debit__in=accounts, reference__startswith="hold:"
    ).annotate(image=Subquery(hold.values("agreement__image")), hour=TruncHour("at"))
    sums = usage.order_by().values("hour", "image").annotate(all=Sum("amount"), last=Max("at"))
    return [
        Movement(row["last"], f"Used, {row['hour']:%H}:00 to {row['hour']:%H}:59", row["image"], -row["all"])
        for row in sums.order_by("-last")[:limit]
    ]


def _others(accounts: set[UUID], *, limit: int) -> list[Movement]:
    touching = Transfer.objects.filter(Q(debit__in=accounts) | Q(credit__in=accounts))
    outward = touching.exclude(kind__in=[*WITHIN, TransferKind.USAGE])
    # What undoes a hold or a release stays within the budget as well.
    outward = outward.exclude(debit__in=accounts, credit__in=accounts)
    shown = list(outward[:limit])
    stories = behind(Told(each.key, each.reference) for each in shown)
    return [_movement(each, stories[each.key], accounts) for each in shown]


def _movement(transfer: Transfer, story: Behind, accounts: set[UUID]) -> Movement:
    sign = 1 if transfer.credit_id in accounts else -1
    what = called(transfer.kind, is_under_way=story.is_under_way)
    return Movement(transfer.at, what, story.words, sign * transfer.amount, story.tx_hash)
