"""From plan to replica: what a team wants to run, and the generations in which it runs."""

from __future__ import annotations

import uuid
from decimal import Decimal
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models

from apps.billing.models import Budget
from apps.deployments.manifest import ServiceSpec
from apps.deployments.replicas import (
    PLACED_STATES,
    ROUTED_STATES,
    Assignment,
    AssignmentState,
    Replica,
    ReplicaState,
)
from apps.money import GlmField
from apps.teams.models import SLUG, Team

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
        help_text="One entry per replica: node, offer, price per hour, or why none."
    )
    price_per_hour_glm = GlmField()
    signature = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    deployment = models.ForeignKey(
        "Deployment", null=True, blank=True, on_delete=models.SET_NULL, related_name="plans"
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
    def available_glm(self) -> Decimal:
        """What the team's budget has left now; zero where there is none yet."""
        budget = self.team.budgets.filter(name="main").first()
        return budget.available_glm if budget else Decimal(0)

    @property
    def runway_h(self) -> Decimal | None:
        """For how many hours the budget would last at full price; None for a plan that costs nothing."""
        return self.available_glm / self.price_per_hour_glm if self.price_per_hour_glm else None


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
    name = models.CharField(max_length=40, validators=[SLUG])
    wanted = models.CharField(max_length=12, choices=Wanted.choices, default=Wanted.RUNNING)
    manifest = models.JSONField()
    source = models.TextField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(fields=("team", "name"), name="deployment_name_once_per_team"),
        )

    def __str__(self) -> str:
        return self.name

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
    host = models.CharField(
        max_length=253, null=True, blank=True, unique=True, help_text="Host name at the edge."
    )

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("deployment", "name"), name="service_once_per_deployment"),
        )

    def __str__(self) -> str:
        return f"{self.deployment}/{self.name}"

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
