"""Caps: what one group of holds, a deployment's for one, may take of its budget, and how its money ends.

What counts is what is held, and what was spent of holds that are over. The database adds it up under the
cap's row lock and refuses, by a CHECK, what would pass the limit: of many that want the last of it at once as
many get it as fit.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from apps.billing.budgets.at_end import AtEnd
from apps.billing.budgets.models import Budget
from apps.money import ZERO, GlmField
from apps.teams.states import Stateful, has_deadline


class CapPeriod(models.TextChoices):
    IN_ALL = "in all", "in all"
    MONTH = "month", "a month"
    """From its first instant, UTC. What is still held then counts in the new one."""


class CapState(models.TextChoices):
    FUNDED = "funded", "Funded"
    """What it needs is there, as far as anybody has asked."""
    ENDING = "ending", "Ending"
    """A lease can't be renewed. At the deadline it is stopped, unless the money is there before."""
    ASKED = "asked", "Owners are asked"
    """It runs as far as it is funded and then waits, until they pay in, raise its cap or stop it."""
    ENDED = "ended", "Ended"
    """It was stopped for want of money; whoever starts it again begins anew."""


class BudgetCap(Stateful):
    """What a group of holds may take of its budget; without a limit it only counts."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        CapState.FUNDED: frozenset({CapState.ENDING, CapState.ASKED}),
        CapState.ENDING: frozenset({CapState.FUNDED, CapState.ASKED, CapState.ENDED}),
        CapState.ASKED: frozenset({CapState.FUNDED, CapState.ENDING, CapState.ENDED}),
        CapState.ENDED: frozenset({CapState.FUNDED}),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="caps")
    reference = models.CharField(
        max_length=80, unique=True, help_text="Of what, in the asker's words: deployment:<id>."
    )
    name = models.CharField(max_length=60, help_text="Of what, for people.")
    state = models.CharField(max_length=12, choices=CapState.choices, default=CapState.FUNDED)
    limit_glm = GlmField(null=True, blank=True, help_text="None: as much as the budget has.")
    per = models.CharField(max_length=12, choices=CapPeriod.choices, default=CapPeriod.IN_ALL)
    at_end = models.CharField(
        max_length=12, choices=AtEnd.choices, blank=True, help_text="Empty: as its budget says."
    )
    used_glm = GlmField(default=ZERO, editable=False, help_text="Held and spent, ever: kept by the holds.")
    base_glm = GlmField(
        default=ZERO, editable=False, help_text="Of that, spent before this period: kept by the database."
    )
    period_start = models.DateTimeField(default=timezone.now, editable=False)
    needed_glm = GlmField(
        default=ZERO,
        editable=False,
        help_text="While it is short: what one more lease of everything takes. While replicas are let go for "
        "want of money: what must be left of it for the next of them to come back, and of its budget besides "
        "what others of that need.",
    )
    beside_glm = GlmField(
        default=ZERO,
        db_default=0,
        editable=False,
        help_text="While replicas are let go for want of money: what others of its budget need, which comes "
        "first.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                name="budget_cap_positive", condition=Q(limit_glm=None) | Q(limit_glm__gt=0)
            ),
            models.CheckConstraint(
                name="budget_cap_not_passed",
                condition=Q(limit_glm=None) | Q(used_glm__lte=F("limit_glm") + F("base_glm")),
            ),
            has_deadline(terminal={CapState.FUNDED, CapState.ENDED}, name="budget_cap_has_deadline"),
        )

    def __str__(self) -> str:
        return self.name

    @classmethod
    def terminal_states(cls) -> frozenset[str]:
        """Settled: nothing is waited for."""
        return frozenset({CapState.FUNDED, CapState.ENDED})

    @property
    def is_terminal(self) -> bool:
        return self.state in self.terminal_states()

    @property
    def audit_team_id(self) -> int:
        return self.budget.team_id

    @property
    def counted_glm(self) -> Decimal:
        """Held and spent in this period."""
        return self.used_glm - self.base_glm

    @property
    def left_glm(self) -> Decimal | None:
        """Of the limit; None without one."""
        return None if self.limit_glm is None else self.limit_glm - self.counted_glm

    @property
    def choice(self) -> AtEnd:
        """What becomes of it at the end: its own word, else the budget's."""
        return AtEnd(self.at_end or self.budget.at_end)
