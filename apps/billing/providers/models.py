"""What providers ask: debit notes, the last of an agreement being its invoice."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from apps.market.models import Agreement
from apps.money import ZERO, GlmField
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
