"""The chain as we have seen it: blocks, and the transfers into and out of the treasury."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.db import models
from django.db.models import Q

from apps.money import GlmField, plain
from apps.teams.states import Stateful, has_deadline


class ChainBlock(models.Model):
    """A block the watcher has read; its hash tells a reorganisation."""

    chain_id = models.BigIntegerField()
    number = models.BigIntegerField()
    hash = models.CharField(max_length=66)

    class Meta:
        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=("chain_id", "number"), name="block_once_per_height"),)

    def __str__(self) -> str:
        return f"{self.number} {self.hash[:10]}…"


class ChainTransferState(models.TextChoices):
    SEEN = "seen", "Seen"
    """In a block; counts for nothing yet."""
    CONFIRMED = "confirmed", "Confirmed"
    """Deep enough to act on: deposits are credited."""
    FINAL = "final", "Final"
    """So deep that the watcher no longer looks back at it."""
    REVERTED = "reverted", "Reverted"
    """Its block is no longer part of the chain; what it caused is undone by counter-entries."""


class ChainTransfer(Stateful):
    """A GLM Transfer event into or out of the treasury, claimed once by (chain, transaction, log index)."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        ChainTransferState.SEEN: frozenset({ChainTransferState.CONFIRMED, ChainTransferState.REVERTED}),
        ChainTransferState.CONFIRMED: frozenset({ChainTransferState.FINAL, ChainTransferState.REVERTED}),
        ChainTransferState.FINAL: frozenset(),
        ChainTransferState.REVERTED: frozenset(),
    }

    chain_id = models.BigIntegerField()
    tx_hash = models.CharField(max_length=66)
    log_index = models.PositiveIntegerField()
    block_number = models.BigIntegerField()
    block_hash = models.CharField(max_length=66)
    sender = models.CharField(max_length=42)
    recipient = models.CharField(max_length=42)
    payer = models.CharField(
        max_length=42,
        blank=True,
        default="",
        editable=False,
        help_text="Who paid, where the sender is a contract that passed it on.",
    )
    amount = GlmField()
    state = models.CharField(
        max_length=12, choices=ChainTransferState.choices, default=ChainTransferState.SEEN
    )
    wallet = models.ForeignKey(
        "billing.Wallet", null=True, blank=True, on_delete=models.PROTECT, related_name="deposits"
    )
    payment = models.ForeignKey(
        "billing.Payment",
        null=True,
        blank=True,
        db_index=False,
        on_delete=models.PROTECT,
        related_name="chain_transfers",
    )
    transaction = models.ForeignKey(
        "billing.Transaction",
        null=True,
        blank=True,
        db_index=False,
        on_delete=models.PROTECT,
        related_name="chain_transfers",
        help_text="Ours, that caused it.",
    )
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-block_number", "-log_index")
        constraints = (
            models.UniqueConstraint(
                fields=("chain_id", "tx_hash", "log_index"),
                condition=~Q(state="reverted"),
                name="chain_transfer_claimed_once",
            ),
            has_deadline(
                terminal={ChainTransferState.FINAL, ChainTransferState.REVERTED},
                name="chain_transfer_has_deadline",
            ),
        )
        # The watcher looks for these each second, in a table that only grows.
        indexes = (
            models.Index(
                fields=("chain_id", "block_number"),
                condition=Q(state__in=[ChainTransferState.SEEN, ChainTransferState.CONFIRMED]),
                name="chain_transfer_under_way",
            ),
            models.Index(
                fields=("chain_id", "tx_hash"),
                condition=Q(state=ChainTransferState.REVERTED),
                name="chain_transfer_lost",
            ),
            # Few are ours, and each state that a deposit goes through writes all indexes anew.
            *(
                models.Index(
                    fields=(name,), condition=Q((f"{name}__isnull", False)), name=f"chain_transfer_{name}"
                )
                for name in ("payment", "transaction")
            ),
        )

    def __str__(self) -> str:
        return f"{plain(self.amount)} GLM in {self.tx_hash[:10]}…"

    @property
    def paid_by(self) -> str:
        """The wallet it came from, and where it would go back to."""
        return self.payer or self.sender

    @property
    def audit_team_id(self) -> int | None:
        return self.wallet.team_id if self.wallet else None
