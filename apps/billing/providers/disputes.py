"""Disputes: a Bee asks for more than was rated, and its owner and an operator talk about the difference.

A debit note asks for all so far, so there is one open dispute for each agreement: it follows the newest note.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.billing.providers.models import DebitNote
from apps.market.models import Agreement
from apps.money import ZERO, GlmField
from apps.teams.states import Stateful, has_deadline


class DisputeState(models.TextChoices):
    WITH_OWNER = "with_owner", "Waits for the owner"
    """The Hive has named its figure; if the owner says nothing by the deadline, it stands."""
    WITH_HIVE = "with_hive", "Waits for the Hive"
    """The owner objected; an operator has to answer by the deadline."""
    ESCALATED = "escalated", "Escalated"
    """No operator answered in time; it stands out in the admin until one does."""
    SETTLED = "settled", "Settled"
    """The owner took the Hive's figure, let it stand, or an operator decided; it is payable."""
    WITHDRAWN = "withdrawn", "Withdrawn"
    """A later note asks for no more than was rated."""


OVER = frozenset({DisputeState.SETTLED, DisputeState.WITHDRAWN})


class Dispute(Stateful):
    """What an owner and the Hive make of a debit note that asks for more than was rated."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        DisputeState.WITH_OWNER: frozenset({DisputeState.WITH_HIVE, *OVER}),
        DisputeState.WITH_HIVE: frozenset({DisputeState.WITH_OWNER, DisputeState.ESCALATED, *OVER}),
        DisputeState.ESCALATED: frozenset({DisputeState.WITH_OWNER, *OVER}),
        DisputeState.SETTLED: frozenset(),
        DisputeState.WITHDRAWN: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="disputes")
    note = models.ForeignKey(
        DebitNote, on_delete=models.PROTECT, related_name="disputes", help_text="The newest disputed one."
    )
    asked_glm = GlmField(help_text="In all, by that note.")
    rated_glm = GlmField(help_text="In all, up to the report that the note covers.")
    granted_glm = GlmField(
        default=ZERO, help_text="Over the rating, by the Hive: offered while it is open, paid once settled."
    )
    state = models.CharField(max_length=12, choices=DisputeState.choices, default=DisputeState.WITH_OWNER)
    approvals_needed = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="So many operators agreed to what is granted; none where it is not large.",
    )
    opened_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-opened_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("agreement",),
                condition=~Q(state__in=sorted(OVER)),
                name="dispute_one_open_per_agreement",
            ),
            models.CheckConstraint(
                name="dispute_is_over_a_difference",
                condition=Q(rated_glm__gte=0, rated_glm__lt=F("asked_glm"), granted_glm__gte=0),
            ),
            has_deadline(terminal=OVER, name="dispute_has_deadline"),
        )

    def __str__(self) -> str:
        return f"dispute of {str(self.agreement_id)[:8]}"

    @property
    def audit_team_id(self) -> int:
        return self.agreement.team_id

    @property
    def concession_key(self) -> str:
        """Of the transfer that pays what is granted."""
        return f"concession:{self.pk}"

    @property
    def hive_glm(self) -> Decimal:
        """The Hive's figure: what it rated, and what it grants on top; never more than was asked."""
        return min(self.rated_glm + self.granted_glm, self.asked_glm)

    @property
    def open_glm(self) -> Decimal:
        """What is asked beyond the Hive's figure: still argued about, or given up once settled."""
        return self.asked_glm - self.hive_glm


class Side(models.TextChoices):
    OWNER = "owner", "Owner of the Bee"
    HIVE = "hive", "The Hive"


MOST_LETTERS = 4000


class DisputeMessage(models.Model):
    """One message of a dispute's thread; never changed, never deleted."""

    id = models.BigAutoField(primary_key=True)
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="messages")
    side = models.CharField(max_length=8, choices=Side.choices)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="dispute_messages"
    )
    text = models.TextField(max_length=MOST_LETTERS)
    figure_glm = GlmField(null=True, blank=True, help_text="What the Hive offered with it, in all.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)
        constraints = (models.CheckConstraint(name="dispute_message_says_something", condition=~Q(text="")),)

    def __str__(self) -> str:
        return f"{self.get_side_display()}: {self.text[:60]}"
