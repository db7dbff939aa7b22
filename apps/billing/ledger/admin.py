"""Admin of the ledger and of the chain: to look at; what can be done is done by verbs."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.billing.chain.suspense import in_suspense
from apps.billing.ledger.posting import balance
from apps.billing.models import Account, ChainBlock, ChainTransfer, Checkpoint, Transfer, Withdrawal
from apps.billing.wallets.stray import credit_stray_deposit, return_stray_deposit
from apps.money import plain
from apps.teams.admin_parts import Shown, by_hand, register, verb
from apps.teams.audit import Actor


@register(Account)
class AccountAdmin(Shown):
    list_display = ("__str__", "kind", "team", "node", "balance_now", "created_at")
    list_filter = ("kind", "team")
    search_fields = ("id", "team__slug", "node__id", "node__name")
    list_select_related = ("team", "node")

    @display(description="Balance")
    def balance_now(self, row: Account) -> str:
        return f"{plain(balance(row))} {row.currency}"


@register(Transfer)
class TransferAdmin(Shown):
    """Immutable: a trigger refuses every change; a correction is a counter-entry."""

    unit = ""
    list_display = ("id", "at", "kind", "moved", "debit", "credit", "reference", "undoes")
    list_filter = ("kind",)
    search_fields = ("key", "reference")
    list_select_related = ("debit__team", "debit__node", "credit__team", "credit__node", "undoes")
    date_hierarchy = "at"

    @display(description="Amount", ordering="amount")
    def moved(self, row: Transfer) -> str:
        return f"{plain(row.amount)} {row.debit.currency}"


@register(Checkpoint)
class CheckpointAdmin(Shown):
    unit = ""
    list_display = ("made_at", "account", "until_id", "newest_at", "balance")
    list_filter = ("account__kind",)
    list_select_related = ("account__team", "account__node")


@register(ChainBlock)
class ChainBlockAdmin(Shown):
    list_display = ("number", "chain_id", "hash")
    search_fields = ("number", "hash")


class InSuspense(SimpleListFilter):
    """Those for which an operator has to find out whose they are."""

    title = "suspense"
    parameter_name = "suspense"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "In suspense")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ChainTransfer]) -> QuerySet[ChainTransfer]:
        return queryset.filter(pk__in=in_suspense().values("pk")) if self.value() == "yes" else queryset


@register(ChainTransfer)
class ChainTransferAdmin(Shown):
    list_display = (
        "tx_hash",
        "state_label",
        "amount",
        "sender",
        "recipient",
        "block_number",
        "wallet",
        "payment",
        "reason",
    )
    list_filter = (InSuspense, "state", "chain_id")
    search_fields = ("tx_hash", "sender", "recipient")
    list_select_related = ("wallet__team", "payment")
    actions = ("credit", "send_back")

    @verb("Credit to a team's budget: that of the sender's wallet")
    def credit(self, deposit: ChainTransfer, actor: Actor) -> None:
        credit_stray_deposit(deposit, actor=actor, reason=by_hand(actor))

    @verb("Send back to the address it came from")
    def send_back(self, deposit: ChainTransfer, actor: Actor) -> None:
        return_stray_deposit(deposit, actor=actor, reason=by_hand(actor))


@register(Withdrawal)
class WithdrawalAdmin(Shown):
    list_display = (
        "created_at",
        "budget",
        "amount",
        "proof",
        "state_label",
        "payment",
        "deadline_at",
        "reason",
    )
    list_filter = ("state", "budget__team")
    search_fields = ("id", "proof__address", "budget__team__slug", "payment__transaction__attempts__tx_hash")
    list_select_related = ("budget__team", "proof__team", "payment__transaction")
