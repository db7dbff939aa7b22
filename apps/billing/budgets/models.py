"""What a team may spend: budgets, and the holds that reserve from them before anything is placed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q, Sum

from apps.billing.budgets.at_end import AtEnd
from apps.billing.ledger.accounts import Account, TransferKind
from apps.billing.ledger.posting import balance, spendable
from apps.money import ZERO, GlmField
from apps.teams.models import ApiToken, Team
from apps.teams.states import Stateful, has_deadline


class Budget(models.Model):
    """A purse of a team: prepaid, or on credit up to a limit that an operator sets.

    By the ledger's guard it never falls below zero, or below minus its credit limit. That is the hard cap.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="budgets")
    name = models.CharField(max_length=60, default="main")
    available = models.OneToOneField(Account, on_delete=models.PROTECT, related_name="available_of")
    held = models.OneToOneField(Account, on_delete=models.PROTECT, related_name="held_of")
    at_end = models.CharField(
        max_length=12,
        choices=AtEnd.choices,
        default=AtEnd.ASK,
        help_text="What becomes of what runs on it when its money ends; deployments may say otherwise.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("team", "name"), name="budget_name_once_per_team"),)

    def __str__(self) -> str:
        return f"{self.team}/{self.name}"

    @property
    def audit_team_id(self) -> int:
        return self.team_id

    @property
    def available_glm(self) -> Decimal:
        """Still to be spent, as of now; what may be used on credit included."""
        return spendable(self.available)

    @property
    def balance_glm(self) -> Decimal:
        """Paid in and neither held nor spent; below zero by what is held or spent on credit."""
        return balance(self.available)

    @property
    def credit_limit_glm(self) -> Decimal:
        """How far below zero it may go."""
        return self.available.credit_limit_glm

    @property
    def owed_glm(self) -> Decimal:
        """Spent on credit and not paid yet. What is only held comes back, or is spent later."""
        return max(-(self.balance_glm + self.held_glm), ZERO)

    @property
    def held_glm(self) -> Decimal:
        """Reserved for leases in force, as of now."""
        return balance(self.held)

    @property
    def spent_glm(self) -> Decimal:
        """Posted to nodes for usage, ever."""
        return self.held.debits.filter(kind=TransferKind.USAGE).aggregate(all=Sum("amount"))["all"] or ZERO


class HoldState(models.TextChoices):
    HELD = "held", "Held"
    """Reserved; usage is posted from it and it may be topped up at a lease's renewal."""
    POSTED = "posted", "Posted"
    """Used up to the last digit."""
    RELEASED = "released", "Released"
    """What was left went back to the budget."""
    EXPIRED = "expired", "Expired"
    """Its time ran out before anything was placed on it; all went back."""


class Hold(Stateful):
    """GLM reserved for one lease: rate x horizon."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        HoldState.HELD: frozenset({HoldState.POSTED, HoldState.RELEASED, HoldState.EXPIRED}),
        HoldState.POSTED: frozenset(),
        HoldState.RELEASED: frozenset(),
        HoldState.EXPIRED: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="holds")
    reference = models.CharField(
        max_length=80, unique=True, help_text="For what, in the asker's words: replica:<id>:<generation>."
    )
    state = models.CharField(max_length=12, choices=HoldState.choices, default=HoldState.HELD)
    amount = GlmField(help_text="Reserved in all, top-ups included.")
    posted = GlmField(default=ZERO, help_text="Of that, gone to providers for usage.")
    agreement = models.OneToOneField(
        "market.Agreement", null=True, blank=True, on_delete=models.PROTECT, related_name="hold"
    )
    key = models.ForeignKey(
        ApiToken,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="holds",
        help_text="The application key under whose limits it was reserved.",
    )
    cap = models.ForeignKey(
        "billing.BudgetCap",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="holds",
        help_text="Under which it counts: that of a deployment, for one.",
    )
    per_hour_glm = GlmField(
        default=ZERO, help_text="What it pays for costs so much an hour, for such limits."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.CheckConstraint(
                name="hold_never_posts_more_than_held", condition=Q(posted__gte=0, posted__lte=F("amount"))
            ),
            has_deadline(terminal=set(HoldState.values) - {HoldState.HELD}, name="hold_has_deadline"),
        )

    def __str__(self) -> str:
        return f"hold for {self.reference}"

    @property
    def audit_team_id(self) -> int:
        return self.budget.team_id

    @property
    def left_glm(self) -> Decimal:
        """Not yet posted."""
        return self.amount - self.posted
