"""From plan to replica: what a team wants to run, and the generations in which it runs."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.billing.budgets.capping import cap_of
from apps.billing.models import Budget, BudgetCap
from apps.deployments.manifest import ServiceSpec
from apps.deployments.plans.effect import Effect
from apps.deployments.replicas import (
    PLACED_STATES,
    ROUTED_STATES,
    Assignment,
    AssignmentState,
    Replica,
    ReplicaState,
)
from apps.money import GlmField
from apps.teams.models import SLUG, ApiToken, Team

__all__ = [
    "PLACED_STATES",
    "ROUTED_STATES",
    "Assignment",
    "AssignmentState",
    "Deployment",
    "EdgeLog",
    "Plan",
    "Replica",
    "ReplicaState",
    "Service",
    "Wanted",
]


HOURS_PER_MONTH = 730
"""A twelfth of a year, as clouds reckon it."""


class Plan(models.Model):
    """What would be placed where and at which price, signed by the Queen and valid for minutes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="plans")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="plans")
    name = models.CharField(
        max_length=40, validators=[SLUG], help_text="Of the deployment it would make or change."
    )
    source = models.TextField(help_text="The Compose file as it was given.")
    manifest = models.JSONField(help_text="What was understood of it.")
    placements = models.JSONField(
        help_text="One entry per replica: node, offer, price per hour and why there, or why nowhere."
    )
    risks = models.JSONField(default=list, blank=True, help_text="What is bold about it: see plans.risks.")
    effect = models.JSONField(
        default=dict, blank=True, help_text="On the budget, as it was then: see plans.effect."
    )
    price_per_hour_glm = GlmField()
    signature = models.CharField(max_length=200, help_text="The Queen's: see plans.signing.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    deployment = models.ForeignKey(
        "Deployment", null=True, blank=True, on_delete=models.SET_NULL, related_name="plans"
    )
    applied_at = models.DateTimeField(null=True, blank=True)
    key = models.ForeignKey(
        ApiToken,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="plans",
        help_text="The application key that asked for it.",
    )

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"plan {str(self.id)[:8]} for {self.name}"

    @property
    def unmet(self) -> list[dict[str, str]]:
        """The placements that no offer meets, each with its `reason`."""
        return [placement for placement in self.placements if not placement["node_id"]]

    @property
    def changes(self) -> bool:
        """Whether there was a deployment of its name already when it was drawn up."""
        before = Deployment.objects.filter(created_at__lt=self.created_at)
        return before.filter(team=self.team_id, name=self.name).exists()

    @property
    def price_per_month_glm(self) -> Decimal:
        return self.price_per_hour_glm * HOURS_PER_MONTH

    @property
    def effect_then(self) -> Effect:
        """`effect`, typed."""
        return Effect.of_json(self.effect)


class Wanted(models.TextChoices):
    RUNNING = "running", "Running"
    """Its services should have their replicas."""
    STOPPED = "stopped", "Stopped"
    """Nothing of it should run."""


class Deployment(models.Model):
    """A manifest that was applied. Its status is derived from its replicas: see `status.py`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="deployments")
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="deployments")
    cap = models.OneToOneField(
        BudgetCap,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="All that is held for it counts there; how its money ends stands there too.",
    )
    name = models.CharField(max_length=40, validators=[SLUG])
    wanted = models.CharField(max_length=12, choices=Wanted.choices, default=Wanted.RUNNING)
    manifest = models.JSONField()
    source = models.TextField()
    key = models.ForeignKey(
        ApiToken,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="deployments",
        help_text="The application key under which it was applied last: what it allows holds for all of it.",
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(fields=("team", "name"), name="deployment_name_once_per_team"),
        )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """It counts from the beginning, whether it is capped or not."""
        if self.cap_id is None:
            self.cap = cap_of(self.budget, f"deployment:{self.pk}", name=self.name)
        super().save(*args, **kwargs)

    @property
    def audit_team_id(self) -> int:
        return self.team_id


class Service(models.Model):
    """One service of the Compose file."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="services")
    name = models.CharField(max_length=40)
    spec = models.JSONField(help_text="ServiceSpec of manifest.py.")
    replicas_wanted = models.PositiveIntegerField()
    taken = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="Replicas let go for want of money; ends.growing_back tells when they come back.",
    )
    taken_at = models.DateTimeField(null=True, blank=True, help_text="When the last of them was let go.")
    taken_by = models.CharField(
        max_length=80, blank=True, db_default="", help_text="Who did, as in the audit trail."
    )
    host = models.CharField(
        max_length=253, null=True, blank=True, unique=True, help_text="Host name at the edge."
    )

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("deployment", "name"), name="service_once_per_deployment"),
            models.CheckConstraint(
                name="service_knows_since_when_it_lacks",
                condition=Q(taken=0, taken_at=None, taken_by="")
                | Q(taken__gt=0, taken_at__isnull=False, taken_by__gt=""),
            ),
        )

    def __str__(self) -> str:
        return f"{self.deployment}/{self.name}"

    @property
    def audit_team_id(self) -> int:
        return self.deployment.team_id

    @property
    def wants(self) -> ServiceSpec:
        """`spec`, typed."""
        return ServiceSpec.model_validate(self.spec)

    @property
    def url(self) -> str | None:
        """Where it answers at the edge; None for a service without a port."""
        edge = urlsplit(settings.HIVE_EDGE_URL)
        port = f":{edge.port}" if edge.port else ""
        return f"{edge.scheme}://{self.host}{port}" if self.host else None


class EdgeLog(models.Model):
    """How far an access log is counted; moves in the transaction that counts: no line counts twice."""

    path = models.CharField(max_length=500, help_text="Its folder; a log keeps its inode when it is renamed.")
    inode = models.BigIntegerField()
    offset = models.BigIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("path", "inode"), name="edge_log_once"),)

    def __str__(self) -> str:
        return f"{self.path} up to {self.offset}"
