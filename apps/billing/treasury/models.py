"""What leaves the treasury: payments; transactions.py has what carries them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.money import GlmField, plain
from apps.nodes.models import Node
from apps.teams.states import Stateful, has_deadline


class PaymentState(models.TextChoices):
    WAITING = "waiting", "Waits for approval"
    """It is large: its money is reserved, and operators have to approve it before anything is signed."""
    READY = "ready", "Ready"
    """Its money is reserved; a transaction is about to take it along."""
    SIGNED = "signed", "Signed"
    """Its transaction is stored; sending it twice can't pay twice."""
    SENT = "sent", "Sent"
    """The node took it; not seen in a block yet."""
    CONFIRMED = "confirmed", "Confirmed"
    """Its Transfer event is deep enough to count on."""
    FINAL = "final", "Final"
    """Settled; the ledger says so."""
    FAILED = "failed", "Failed"
    """The chain or an operator refused it; the amount is back where it was."""


class PaymentPurpose(models.TextChoices):
    PAYOUT = "payout", "Payout to a node"
    """payable -> in flight: what a node has earned."""
    RETURN = "return", "Return of a stray deposit"
    """suspense -> in flight: a stranger's deposit goes back to where it came from."""
    WITHDRAWAL = "withdrawal", "Withdrawal by a team"
    """available -> in flight: a team takes unused GLM back."""


class Payment(Stateful):
    """GLM out of the treasury to one recipient; its money is in flight from the moment it exists.

    The transaction that carries it may carry others too, and its state is theirs from then on.
    """

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        PaymentState.WAITING: frozenset({PaymentState.READY, PaymentState.FAILED}),
        PaymentState.READY: frozenset({PaymentState.SIGNED, PaymentState.FAILED}),
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
    recipient = models.CharField(max_length=42)
    amount = GlmField()
    transaction = models.ForeignKey(
        "billing.Transaction", null=True, blank=True, on_delete=models.PROTECT, related_name="payments"
    )
    line = models.PositiveIntegerField(default=0, help_text="Its place in the transaction, from 0.")
    state = models.CharField(max_length=12, choices=PaymentState.choices, default=PaymentState.READY)
    approvals_needed = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="By so many operators; none where it is not large."
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Whose word it goes out on, and who therefore can't approve it; nobody's for payouts.",
    )
    escalated_at = models.DateTimeField(
        null=True, blank=True, help_text="When operators were told that it still waits for approval."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        permissions = (("approve_payment", "Can approve large payments"),)
        constraints = (
            models.UniqueConstraint(fields=("transaction", "line"), name="payment_line_used_once"),
            models.CheckConstraint(
                name="payment_moves_with_its_transaction",
                condition=Q(state__in=["waiting", "ready", "failed"]) | Q(transaction__isnull=False),
            ),
            models.CheckConstraint(
                name="payment_ready_has_no_transaction",
                condition=~Q(state__in=["waiting", "ready"]) | Q(transaction=None),
            ),
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

    @property
    def tx_hash(self) -> str | None:
        """Of the transaction that carries it, None before there is one: select it with the payment."""
        return self.transaction.tx_hash if self.transaction else None

    @property
    def block_number(self) -> int | None:
        return self.transaction.block_number if self.transaction else None
