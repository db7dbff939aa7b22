"""Admin of what leaves the treasury: payments, and the transactions that carry them with their attempts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest
from unfold.decorators import display

from apps.billing.admin_parts import glm_column
from apps.billing.models import Approval, Attempt, Payment, Transaction
from apps.billing.treasury.approving import approve_payment, refuse_payment
from apps.billing.treasury.fees import WEI_PER_GWEI
from apps.billing.treasury.sending import replace_now, send_again
from apps.money import ZERO, plain
from apps.teams.admin_parts import Rows, Shown, by_hand, register, verb
from apps.teams.audit import Actor

_OF_ROW = Payment.objects.filter(transaction=OuterRef("pk")).order_by().values("transaction")
_SUMS = _OF_ROW.annotate(total=Sum("amount")).values("total")


def _gwei_column(name: str, wei_of: Callable[[Attempt], int]) -> Callable[[Any, Attempt], str]:
    """A price for a unit of gas, as wallets show it."""

    @display(description=f"{name}, gwei")
    def column(self: Any, row: Attempt) -> str:
        return plain(Decimal(wei_of(row)) / WEI_PER_GWEI)

    return column


class AttemptRows(Rows):
    model = Attempt
    fields = ("number", "at", "most_gwei", "offered_tip_gwei", "gas_limit", "tx_hash")
    readonly_fields = fields
    show_change_link = False

    most_gwei = _gwei_column("At most", lambda row: row.max_fee_wei)
    offered_tip_gwei = _gwei_column("Tip", lambda row: row.tip_wei)


class PaymentRows(Rows):
    model = Payment
    fields = ("line", "purpose", "recipient", "amount", "state", "reason")
    readonly_fields = fields


@register(Transaction)
class TransactionAdmin(Shown):
    list_display = (
        "nonce",
        "created_at",
        "state_label",
        "lines",
        "amount",
        "gas_coin",
        "attempts_made",
        "why",
        "deadline_at",
        "kind",
    )
    list_filter = ("state", "kind", "chain_id")
    search_fields = ("attempts__tx_hash", "sender", "payments__recipient")
    inlines = (AttemptRows, PaymentRows)
    actions = ("resend", "replace")

    amount = glm_column("Amount", lambda row: row.amount or ZERO)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transaction]:
        """With the number of lines and attempts, and the sum."""
        return (
            super()
            .get_queryset(request)
            .annotate(
                made=Count("attempts", distinct=True),
                carried=Count("payments", distinct=True),
                amount=Subquery(_SUMS),
            )
        )

    @display(description="Lines", ordering="carried")
    def lines(self, row: Transaction) -> int:
        return int(row.carried)  # type: ignore[attr-defined]

    @display(description="Attempts", ordering="made")
    def attempts_made(self, row: Transaction) -> int:
        return int(row.made)  # type: ignore[attr-defined]

    @verb("Send again")
    def resend(self, row: Transaction, actor: Actor) -> None:
        """The same nonce: sending it twice can't pay twice."""
        send_again(row, actor=actor, reason=by_hand(actor))

    @verb("Replace by one that offers more for gas")
    def replace(self, row: Transaction, actor: Actor) -> None:
        """The same nonce and the same call: whichever a block takes, the other can never happen."""
        replace_now(row, actor=actor, reason=by_hand(actor))


class ApprovalRows(Rows):
    model = Approval
    fields = ("user", "verdict", "reason", "at")
    readonly_fields = fields
    show_change_link = False


@register(Payment)
class PaymentAdmin(Shown):
    """Large ones wait here for two operators: `?state__exact=waiting`."""

    list_display = (
        "created_at",
        "amount",
        "recipient",
        "state_label",
        "approved",
        "requested_by",
        "purpose",
        "why",
        "deadline_at",
        "node",
        "transaction",
    )
    list_filter = ("state", "purpose", "chain_id")
    search_fields = ("transaction__attempts__tx_hash", "recipient", "node__name")
    list_select_related = ("node", "transaction", "requested_by")
    inlines = (ApprovalRows,)
    actions = ("approve", "refuse")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        return super().get_queryset(request).annotate(said=Count("approvals"))

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.approve_payment"))

    @display(description="Approved")
    def approved(self, row: Payment) -> str:
        return f"{row.said} of {row.approvals_needed}" if row.approvals_needed else ""  # type: ignore[attr-defined]

    @verb("Approve, as one of two operators", permission="approve")
    def approve(self, row: Payment, actor: Actor) -> None:
        approve_payment(row, actor=actor, reason=by_hand(actor))

    @verb("Refuse, and put its money back where it was", permission="approve")
    def refuse(self, row: Payment, actor: Actor) -> None:
        refuse_payment(row, actor=actor, reason="in the admin")


@register(Approval)
class ApprovalAdmin(Shown):
    list_display = ("at", "on", "user", "verdict", "upto_glm", "reason")
    list_filter = ("verdict",)
    search_fields = ("payment__recipient", "invoice__number", "user__username")
    list_select_related = ("payment", "invoice", "dispute", "user")

    @display(description="On")
    def on(self, row: Approval) -> str:
        return str(row.subject)


@register(Attempt)
class AttemptAdmin(Shown):
    list_display = ("at", "transaction", "number", "most_gwei", "offered_tip_gwei", "gas_limit", "tx_hash")
    search_fields = ("tx_hash",)
    list_select_related = ("transaction",)

    most_gwei = _gwei_column("At most", lambda row: row.max_fee_wei)
    offered_tip_gwei = _gwei_column("Tip", lambda row: row.tip_wei)
