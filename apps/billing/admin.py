"""Admin of money: budgets, holds, usage. The ledger, the chain and the papers have files of their own."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest

from apps.billing.budgets.holding import release_hold
from apps.billing.models import (
    DebitNote,
    EdgeTraffic,
    Hold,
    MeteringFault,
    MeterReading,
    UsageRecord,
    Wallet,
    WalletProof,
)
from apps.billing.providers.debit_notes import accept_as_rated
from apps.billing.wallets.proving import register_wallet
from apps.teams.admin_parts import Shown, by_hand, register, verb
from apps.teams.audit import Actor


@register(Hold)
class HoldAdmin(Shown):
    list_display = (
        "reference",
        "budget",
        "state_label",
        "amount",
        "posted",
        "deadline_at",
        "reason",
        "agreement",
    )
    list_filter = ("state", "budget__team")
    search_fields = ("id", "reference", "agreement__id")
    list_select_related = ("budget__team", "agreement")
    actions = ("release",)

    @verb("Release")
    def release(self, hold: Hold, actor: Actor) -> None:
        release_hold(hold, actor=actor, reason=by_hand(actor))


@register(UsageRecord)
class UsageRecordAdmin(Shown):
    list_display = (
        "agreement",
        "sequence",
        "state_label",
        "running_ms",
        "billed_running_ms",
        "cost_glm",
        "reduced_because",
        "final",
        "received_at",
    )
    list_filter = ("state", "final")
    search_fields = ("agreement__id", "hash")
    list_select_related = ("agreement",)


@register(MeterReading)
class MeterReadingAdmin(Shown):
    list_display = ("agreement", "sequence", "has_run", "egress_bytes", "egress_billed_bytes")
    search_fields = ("agreement__id",)
    list_select_related = ("agreement",)


@register(MeteringFault)
class MeteringFaultAdmin(Shown):
    list_display = ("at", "kind", "agreement", "sequence", "detail")
    list_filter = ("kind",)
    search_fields = ("agreement__id", "detail")
    list_select_related = ("agreement",)
    date_hierarchy = "at"


@register(EdgeTraffic)
class EdgeTrafficAdmin(Shown):
    list_display = ("agreement", "minute", "requests", "failed", "egress_bytes")
    search_fields = ("agreement__id",)
    list_select_related = ("agreement",)
    ordering = ("-minute",)


@register(DebitNote)
class DebitNoteAdmin(Shown):
    list_display = (
        "agreement",
        "sequence",
        "state_label",
        "amount",
        "amount_accepted",
        "final",
        "reason",
        "payment",
        "received_at",
    )
    list_filter = ("state", "final")
    search_fields = ("id", "agreement__id", "agreement__node__id")
    list_select_related = ("agreement", "payment")
    actions = ("accept",)

    @verb("Accept at what we rated")
    def accept(self, note: DebitNote, actor: Actor) -> None:
        accept_as_rated(note, actor=actor, reason=by_hand(actor))


class WalletForm(forms.ModelForm):
    def clean_address(self) -> str:
        """As wallets show it, in upper and lower case, or as we keep it."""
        return str(self.cleaned_data["address"]).strip().lower()


@register(Wallet)
class WalletAdmin(Shown):
    """Registered here for teams whose owner can't; the budget opens with it."""

    list_display = ("address", "team", "budget", "created_at")
    list_filter = ("team",)
    search_fields = ("address", "team__slug")
    list_select_related = ("team", "budget")
    form = WalletForm
    fields = ("team", "address")
    autocomplete_fields = ("team",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.add_wallet"))

    def save_model(self, request: HttpRequest, obj: Wallet, form: Any, change: bool) -> None:
        obj.pk = register_wallet(obj.team, obj.address).pk
        obj.refresh_from_db()


@register(WalletProof)
class WalletProofAdmin(Shown):
    list_display = ("address", "team", "proven_at", "expires_at", "nonce")
    search_fields = ("address", "team__slug", "nonce")
    list_select_related = ("team",)


# The ledger, the chain and the papers register themselves.
from apps.billing.alerts import admin as alerts_admin  # noqa: E402, F401
from apps.billing.budgets import admin as budgets_admin  # noqa: E402, F401
from apps.billing.chain import admin as chain_admin  # noqa: E402, F401
from apps.billing.invoicing import admin as invoices_admin  # noqa: E402, F401
from apps.billing.ledger import admin as ledger_admin  # noqa: E402, F401
from apps.billing.providers import dispute_admin  # noqa: E402, F401
from apps.billing.treasury import admin as treasury_admin  # noqa: E402, F401
