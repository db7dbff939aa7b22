"""Which payments are large, and telling operators that they wait; approving.py has what operators then do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.utils import timezone

from apps.billing.treasury.approvals import Approval, Verdict
from apps.billing.treasury.models import Payment, PaymentState
from apps.money import ZERO, plain
from apps.teams.audit import Actor
from apps.teams.models import User
from apps.teams.notices.notifying import notify_operators

OPERATORS_NEEDED = 2
LINES_TOLD = 50
COUNTED_FOR = timedelta(days=1)
"""What went out unasked counts for so long towards the limit of the next: small parts are no way around."""


def is_large(total_glm: Decimal, *, limit_glm: Decimal | None) -> bool:
    """Whether what goes out at once is above the limit; without a limit nothing is."""
    return limit_glm is not None and total_glm > limit_glm


def unasked(payments: QuerySet[Payment]) -> Decimal:
    """What of these was made within the last 24 hours without operators being asked, in GLM.

    What failed came back; what had to be approved was asked about already. Exact under the caller's lock.
    """
    lately = payments.filter(approvals_needed=0, created_at__gt=timezone.now() - COUNTED_FOR)
    return lately.exclude(state=PaymentState.FAILED).aggregate(all=Sum("amount"))["all"] or ZERO


def why_large(
    total_glm: Decimal, *, limit_glm: Decimal | None, was_turned_down: bool, unasked_glm: Decimal = ZERO
) -> str:
    """Why operators have to approve it; empty where they need not. Without a limit nothing waits for them.

    `unasked_glm` went the same way lately without them, and counts towards the limit. What was turned down
    once is asked for again at any amount: smaller parts of it are no way around.
    """
    if limit_glm is not None and is_large(total_glm + unasked_glm, limit_glm=limit_glm):
        lately = f"with {plain(unasked_glm)} GLM of the last 24 hours " if unasked_glm else ""
        return f"{lately}above {plain(limit_glm)} GLM"
    return "the last one was not approved" if was_turned_down and limit_glm is not None else ""


def approval_fields(
    total_glm: Decimal, *, actor: Actor | None, was_turned_down: bool = False, unasked_glm: Decimal = ZERO
) -> dict[str, Any]:
    """What a new payment says of its approval; `total_glm` is that of all that is due with it."""
    asked: dict[str, Any] = {"requested_by": person(actor) if actor else None}
    limit = settings.HIVE_APPROVAL_ABOVE_GLM
    why = why_large(total_glm, limit_glm=limit, was_turned_down=was_turned_down, unasked_glm=unasked_glm)
    if why:
        asked |= {
            "state": PaymentState.WAITING,
            "approvals_needed": OPERATORS_NEEDED,
            "deadline_at": timezone.now() + approve_within(),
            "reason": f"{why}: {OPERATORS_NEEDED} operators have to approve it",
        }
    return asked


def turned_down(node_ids: Collection[str]) -> set[str]:
    """Those of the nodes whose last payment that operators were asked about did not go out.

    Small payments meanwhile change nothing about that: the next that is approved does.
    """
    asked = Payment.objects.filter(node__in=node_ids, approvals_needed__gt=0)
    decided = asked.exclude(state=PaymentState.WAITING).order_by("node_id", "-created_at").distinct("node_id")
    return {str(last.node_id) for last in decided if last.state == PaymentState.FAILED}


def approvers(payment: Payment) -> list[str]:
    """Who approved it, by name."""
    return names_of(payment.approvals.filter(verdict=Verdict.APPROVED))


def names_of(said: QuerySet[Approval]) -> list[str]:
    """Whose words these are; whoever is no operator any more does not count."""
    still = said.filter(user__is_active=True, user__is_staff=True).select_related("user")
    return [str(each.user) for each in still if each.user.has_perm("billing.approve_payment")]


def approve_within() -> timedelta:
    return timedelta(hours=settings.HIVE_APPROVAL_HOURS)


def person(actor: Actor) -> User | None:
    """The user who acts; none for a part of the Queen, or a node."""
    return User.objects.filter(username=actor.name).first() if actor.kind == "user" else None


def announce(
    payments: Sequence[Payment], *, kind: str = "payment.waiting", what: str = "wait for approval"
) -> None:
    """Tell operators of those that wait, in one notice, in the caller's transaction; once for each kind."""
    waiting = [payment for payment in payments if payment.state == PaymentState.WAITING]
    if not waiting:
        return
    total = plain(sum((payment.amount for payment in waiting), ZERO))
    many = "1 payment" if len(waiting) == 1 else f"{len(waiting)} payments"
    notify_operators(
        kind=kind,
        subject=f"{total} GLM in {many} {what}",
        text=_told(waiting),
        data={"payments": [str(payment.id) for payment in waiting], "total_glm": total},
        key=f"{kind}:{waiting[0].id}",
    )


def _told(waiting: Sequence[Payment]) -> str:
    first = waiting[0]
    lines = [
        f"{payment.get_purpose_display()}: {plain(payment.amount)} GLM to {payment.recipient}"
        for payment in waiting[:LINES_TOLD]
    ]
    if len(waiting) > LINES_TOLD:
        lines.append(f"and {len(waiting) - LINES_TOLD} more")
    by = f"{first.deadline_at:%Y-%m-%d %H:%M} UTC" if first.deadline_at else "now"
    where = f"{settings.HIVE_PORTAL_URL}/admin/billing/payment/?state__exact=waiting"
    return "\n".join(
        [f"{first.approvals_needed} operators have to approve each by {by}: {where}", "", *lines]
    )
