"""What providers ask and what teams are told: debit notes in, invoices out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from apps.market.models import Agreement
from apps.money import ZERO, GlmField
from apps.teams.models import Team
from apps.teams.states import Stateful, has_deadline


class DebitNoteState(models.TextChoices):
    RECEIVED = "received", "Received"
    """Signed by the node; waits to be held against our own rating."""
    ACCEPTED = "accepted", "Accepted"
    """Asks at most what was rated, or was conceded by an operator; payable."""
    DISPUTED = "disputed", "Disputed"
    """Asks for more than was rated; `reason` says by how much. What was rated stays payable."""
    PAID = "paid", "Paid"
    """Payments that are final on the chain cover all that was rated up to its report."""


class DebitNote(Stateful):
    """What a node asks for an agreement in all so far; the final one is its invoice."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        DebitNoteState.RECEIVED: frozenset({DebitNoteState.ACCEPTED, DebitNoteState.DISPUTED}),
        DebitNoteState.ACCEPTED: frozenset({DebitNoteState.PAID}),
        DebitNoteState.DISPUTED: frozenset({DebitNoteState.ACCEPTED}),
        DebitNoteState.PAID: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="debit_notes")
    sequence = models.PositiveIntegerField()
    usage_hash = models.CharField(max_length=66, help_text="Digest of the newest usage report it covers.")
    amount = GlmField(help_text="Total asked so far, as signed.")
    amount_accepted = GlmField(default=ZERO)
    final = models.BooleanField(default=False)
    signature = models.CharField(max_length=132)
    state = models.CharField(max_length=12, choices=DebitNoteState.choices, default=DebitNoteState.RECEIVED)
    payment = models.ForeignKey(
        "billing.Payment", null=True, blank=True, on_delete=models.PROTECT, related_name="debit_notes"
    )
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-received_at",)
        constraints = (
            models.UniqueConstraint(fields=("agreement", "sequence"), name="debit_note_once_per_sequence"),
            models.CheckConstraint(
                name="debit_note_accepts_at_most_asked",
                condition=Q(amount__gte=0, amount_accepted__gte=0, amount_accepted__lte=F("amount")),
            ),
            has_deadline(terminal={DebitNoteState.PAID}, name="debit_note_has_deadline"),
        )

    def __str__(self) -> str:
        return f"debit note {self.sequence} of {str(self.agreement_id)[:8]}"

    @property
    def audit_team_id(self) -> int:
        return self.agreement.team_id


class InvoiceSeries(models.Model):
    """The counter behind gapless invoice numbers: moved under a row lock, in the invoice's transaction."""

    prefix = models.CharField(max_length=20, unique=True)
    last_number = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.prefix}{self.last_number:06d}"


class Invoice(models.Model):
    """What a team used in a period, as it stood when the invoice was drawn up. Never changed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.CharField(max_length=40, unique=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="invoices")
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    total_glm = GlmField()
    lines = models.JSONField(
        help_text="One line per agreement: what, node, seconds, CPU seconds, bytes, prices, cost, chain head."
    )
    issued_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-issued_at",)
        constraints = (
            models.CheckConstraint(
                name="invoice_period_is_forward",
                condition=Q(period_end__gt=F("period_start"), total_glm__gte=0),
            ),
        )

    def __str__(self) -> str:
        return self.number

    @property
    def audit_team_id(self) -> int:
        return self.team_id
