"""What the treasury signs: a transaction with its nonce, and each attempt to have a block take it.

A nonce happens once. So a stuck transaction is signed again at a higher fee, with the same nonce and the same
call: whichever attempt a block takes, the others can never happen.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from apps.billing.chain.calls import Call, Gas
from apps.money import GlmField
from apps.teams.states import Stateful, has_deadline


class TransactionKind(models.TextChoices):
    TRANSFER = "transfer", "One transfer"
    """ERC-20 `transfer` to one recipient."""
    DIRECT = "direct", "Batch, each from the treasury"
    """MultiTransfer `golemTransferDirectPacked`: the contract moves GLM from the treasury to each."""
    INDIRECT = "indirect", "Batch, through the contract"
    """MultiTransfer `golemTransferIndirectPacked`: the sum to the contract, and from there to each."""
    ALLOWANCE = "allowance", "Allowance"
    """ERC-20 `approve`: the MultiTransfer contract may move the treasury's GLM when the treasury asks it."""


class TransactionState(models.TextChoices):
    SIGNED = "signed", "Signed"
    """An attempt is stored; sending it twice can't pay twice."""
    SENT = "sent", "Sent"
    """The node took it; not seen in a block yet."""
    CONFIRMED = "confirmed", "Confirmed"
    """What it did is deep enough to count on."""
    FINAL = "final", "Final"
    """No reorganisation undoes it any more."""
    FAILED = "failed", "Failed"
    """A block has it and it did nothing, or its nonce was used by another: it can never happen."""


UNSENT = (TransactionState.SIGNED, TransactionState.SENT)
"""No block is known to have it: it is sent again."""


class Transaction(Stateful):
    """One nonce of the treasury on one chain, and what it is used for."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        TransactionState.SIGNED: frozenset(
            {TransactionState.SENT, TransactionState.CONFIRMED, TransactionState.FAILED}
        ),
        TransactionState.SENT: frozenset({TransactionState.CONFIRMED, TransactionState.FAILED}),
        TransactionState.CONFIRMED: frozenset({TransactionState.FINAL, TransactionState.SENT}),
        TransactionState.FINAL: frozenset(),
        TransactionState.FAILED: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(
        max_length=12, choices=TransactionKind.choices, default=TransactionKind.TRANSFER, editable=False
    )
    chain_id = models.BigIntegerField()
    sender = models.CharField(max_length=42)
    nonce = models.BigIntegerField()
    contract = models.CharField(max_length=42, help_text="The contract that is called.")
    data = models.TextField(editable=False, help_text="The call, in hex.")
    tx_hash = models.CharField(
        max_length=66, unique=True, help_text="Of the attempt that a block has, else of the newest."
    )
    block_number = models.BigIntegerField(null=True, blank=True)
    gas_coin = GlmField(
        null=True, blank=True, help_text="What it cost, in the chain's coin; known once it is final."
    )
    state = models.CharField(max_length=12, choices=TransactionState.choices, default=TransactionState.SIGNED)
    retry_at = models.DateTimeField(
        default=timezone.now, help_text="When it is sent again unless a block has it."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("chain_id", "sender", "nonce"), name="transaction_nonce_used_once"
            ),
            models.CheckConstraint(name="transaction_nonce_not_negative", condition=Q(nonce__gte=0)),
            has_deadline(
                terminal={TransactionState.FINAL, TransactionState.FAILED}, name="transaction_has_deadline"
            ),
        )

    def __str__(self) -> str:
        return f"nonce {self.nonce} of {self.sender[:10]}…"

    @property
    def call(self) -> Call:
        return Call(to=self.contract, data=self.data)

    @property
    def newest(self) -> Attempt:
        """The attempt that was signed last."""
        return self.attempts.order_by("-number")[0]


class Attempt(models.Model):
    """A transaction as it was signed once, with the fees it offers; never changed, never deleted."""

    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField(help_text="1 for the first; each later one offers more.")
    tx_hash = models.CharField(max_length=66, unique=True)
    raw = models.TextField(editable=False, help_text="As it is sent, signed, in hex.")
    gas_limit = models.PositiveBigIntegerField()
    max_fee_wei = models.PositiveBigIntegerField(help_text="At most so much for a unit of gas.")
    tip_wei = models.PositiveBigIntegerField(help_text="Of it, for whoever makes the block.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("transaction", "number")
        constraints = (
            models.UniqueConstraint(fields=("transaction", "number"), name="attempt_numbered_once"),
            models.CheckConstraint(name="attempt_counts_from_one", condition=Q(number__gte=1)),
            models.CheckConstraint(name="attempt_tip_within_fee", condition=Q(tip_wei__lte=F("max_fee_wei"))),
        )

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.tx_hash[:12]}…"

    @property
    def gas(self) -> Gas:
        return Gas(limit=self.gas_limit, max_fee_wei=self.max_fee_wei, tip_wei=self.tip_wei)
