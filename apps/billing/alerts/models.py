"""The nouns of alerts: the levels a team sets for a budget, and what was spent at its latest top-up."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.billing.budgets.models import Budget
from apps.money import GlmField


class AlertKind(models.TextChoices):
    USED = "used", "Percent used"
    """Of what there was after the latest top-up, credit included."""
    RUNWAY = "runway", "Hours left"
    """At the rate of what runs now."""


MOST_PERCENT = 100
MOST_HOURS = 365 * 24


class AlertLevel(models.Model):
    """When a team wants to be told. One that is crossed is armed again once the money is well above it."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="alert_levels")
    kind = models.CharField(max_length=8, choices=AlertKind.choices)
    level = models.PositiveIntegerField(help_text="Percent, or hours.")
    crossed_at = models.DateTimeField(null=True, blank=True, help_text="Told of then; nothing: it is armed.")
    crossings = models.PositiveIntegerField(default=0, help_text="How often it was told of.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("budget", "kind", "level")
        constraints = (
            models.UniqueConstraint(fields=("budget", "kind", "level"), name="alert_level_once_per_budget"),
            models.CheckConstraint(
                name="alert_level_can_be_crossed",
                condition=Q(kind=AlertKind.USED, level__gte=1, level__lte=MOST_PERCENT)
                | Q(kind=AlertKind.RUNWAY, level__gte=1, level__lte=MOST_HOURS),
            ),
        )

    def __str__(self) -> str:
        words = f"{self.level} % used" if self.kind == AlertKind.USED else f"{self.level} h left"
        return f"{words} of {self.budget}"

    @property
    def audit_team_id(self) -> int:
        return self.budget.team_id


class TopUp(models.Model):
    """What a budget had spent, ever, when its latest deposit was seen: percents count from there.

    Seen by the look of each minute: what is spent between a deposit and that look is not counted.
    """

    budget = models.OneToOneField(Budget, on_delete=models.CASCADE, primary_key=True, related_name="top_up")
    deposit = models.PositiveBigIntegerField(help_text="Number of that transfer; 0 before the first one.")
    spent_glm = GlmField()

    def __str__(self) -> str:
        return f"latest top-up of {self.budget}"
