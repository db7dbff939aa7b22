"""Admin of the chain's nodes, of the wallets that are watched, and of the daily proofs: to look at."""

from __future__ import annotations

from unfold.decorators import display

from apps.billing.models import ChainNode, DailyProof, TreasuryWallet
from apps.teams.admin_parts import STATE_LABELS, Shown, register


@register(ChainNode)
class ChainNodeAdmin(Shown):
    list_display = ("name", "state_label", "height", "examined_at", "retry_at", "lies", "reason")
    list_filter = ("state",)
    search_fields = ("name",)


@register(DailyProof)
class DailyProofAdmin(Shown):
    """Immutable: a trigger refuses every change. A day that was flagged stays flagged."""

    list_display = (
        "day",
        "wallet",
        "verdict_label",
        "chain_balance",
        "ledger_balance",
        "coming",
        "leaving",
        "unexplained",
        "unmatched",
        "block_number",
    )
    list_filter = ("is_flagged", "chain_id")
    search_fields = ("wallet",)
    date_hierarchy = "day"

    @display(description="Result", label=STATE_LABELS)
    def verdict_label(self, proof: DailyProof) -> tuple[str, str]:
        return proof.verdict, proof.verdict.capitalize()


@register(TreasuryWallet)
class TreasuryWalletAdmin(Shown):
    list_display = ("address", "chain_id", "since")
    search_fields = ("address",)
