"""The chain as we have seen it: blocks, token transfers, our payments, and whose wallet is whose."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.money import GlmField, plain
from apps.nodes.models import ADDRESS, Node
from apps.teams.models import Team
from apps.teams.states import Stateful, has_deadline


class Wallet(models.Model):
    """An address whose deposits belong to a team's budget."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="wallets")
    budget = models.ForeignKey("billing.Budget", on_delete=models.PROTECT, related_name="wallets")
    address = models.CharField(max_length=42, unique=True, validators=[ADDRESS])
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.address[:10]}… of {self.team}"

    @property
    def audit_team_id(self) -> int:
        return self.team_id

    @property
    def is_proven(self) -> bool:
        """Has its key signed that it is the team's? Asks for `proofs`: prefetch them for many."""
        return any(proof.signature for proof in self.proofs.all())


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
    amount = GlmField()
    state = models.CharField(
        max_length=12, choices=ChainTransferState.choices, default=ChainTransferState.SEEN
    )
    wallet = models.ForeignKey(
        Wallet, null=True, blank=True, on_delete=models.PROTECT, related_name="deposits"
    )
    payment = models.ForeignKey(
        "billing.Payment", null=True, blank=True, on_delete=models.PROTECT, related_name="chain_transfers"
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

    def __str__(self) -> str:
        return f"{plain(self.amount)} GLM in {self.tx_hash[:10]}…"

    @property
    def audit_team_id(self) -> int | None:
        return self.wallet.team_id if self.wallet else None


class PaymentState(models.TextChoices):
    SIGNED = "signed", "Signed"
    """The raw transaction is stored; sending it twice can't pay twice."""
    SENT = "sent", "Sent"
    """The node took it; not seen in a block yet."""
    CONFIRMED = "confirmed", "Confirmed"
    """Its Transfer event is deep enough to count on."""
    FINAL = "final", "Final"
    """Settled; the ledger says so."""
    FAILED = "failed", "Failed"
    """The chain refused it; the amount is payable again."""


class PaymentPurpose(models.TextChoices):
    PAYOUT = "payout", "Payout to a node"
    """payable -> in flight: what a node has earned."""
    RETURN = "return", "Return of a stray deposit"
    """suspense -> in flight: a stranger's deposit goes back to where it came from."""
    WITHDRAWAL = "withdrawal", "Withdrawal by a team"
    """available -> in flight: a team takes unused GLM back."""


class Payment(Stateful):
    """GLM out of the treasury: one ERC-20 transfer, signed and stored before it is sent."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        PaymentState.SIGNED: frozenset({PaymentState.SENT, PaymentState.CONFIRMED, PaymentState.FAILED}),
        PaymentState.SENT: frozenset({PaymentState.CONFIRMED, PaymentState.FAILED}),
        PaymentState.CONFIRMED: frozenset({PaymentState.FINAL, PaymentState.SENT}),
        PaymentState.FINAL: frozenset(),
        PaymentState.FAILED: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    purpose = models.CharField(
        max_length=12, choices=PaymentPurpose.choices, default=PaymentPurpose.PAYOUT, editable=False
    )
    node = models.ForeignKey(Node, null=True, blank=True, on_delete=models.PROTECT, related_name="payments")
    returns = models.ForeignKey(
        ChainTransfer,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="returned_by",
        help_text="The stray deposit that it sends back.",
    )
    chain_id = models.BigIntegerField()
    sender = models.CharField(max_length=42)
    recipient = models.CharField(max_length=42)
    nonce = models.BigIntegerField()
    amount = GlmField()
    raw_transaction = models.TextField(editable=False)
    tx_hash = models.CharField(max_length=66, unique=True)
    block_number = models.BigIntegerField(null=True, blank=True)
    state = models.CharField(max_length=12, choices=PaymentState.choices, default=PaymentState.SIGNED)
    retry_at = models.DateTimeField(
        default=timezone.now, help_text="When it is sent again unless a block has it."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(fields=("chain_id", "sender", "nonce"), name="payment_nonce_used_once"),
            models.CheckConstraint(name="payment_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="payment_is_for_one_thing",
                condition=Q(purpose="payout", node__isnull=False, returns=None)
                | Q(purpose="return", node=None, returns__isnull=False)
                | Q(purpose="withdrawal", node=None, returns=None),
            ),
            models.UniqueConstraint(
                fields=("returns",), condition=~Q(state="failed"), name="stray_deposit_returned_once"
            ),
            has_deadline(terminal={PaymentState.FINAL, PaymentState.FAILED}, name="payment_has_deadline"),
        )

    def __str__(self) -> str:
        return f"{plain(self.amount)} GLM to {self.recipient[:10]}…"
