"""What leaves the treasury: payments, each signed and stored before it is sent."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.money import GlmField, plain
from apps.nodes.models import Node
from apps.teams.states import Stateful, has_deadline


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
        "billing.ChainTransfer",
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
