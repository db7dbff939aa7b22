"""A slot of a service, and what runs in it: states, transitions, and the database's own guards."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from agent.protocol import RunState
from apps.billing.models import Hold
from apps.deployments.manifest import ServiceSpec
from apps.market.models import Agreement, Demand
from apps.money import GlmField
from apps.nodes.models import Node, Offer
from apps.teams.states import Stateful, has_deadline


class ReplicaState(models.TextChoices):
    PENDING = "pending", "Pending"
    """Needs a hold before anything is placed."""
    NEGOTIATING = "negotiating", "Negotiating"
    """The market looks for a node and bargains with it."""
    STARTING = "starting", "Starting"
    """Assigned to a Bee, which prepares and starts it."""
    HEALTHY = "healthy", "Healthy"
    """Passes its health check and is routed. A silent Bee alone doesn't end that: the edge checks too."""
    UNHEALTHY = "unhealthy", "Unhealthy"
    """Runs but fails its health check; not routed."""
    STOPPING = "stopping", "Stopping"
    """Its Bee was told to stop it."""
    STOPPED = "stopped", "Stopped"
    """Ended because it was wanted so."""
    FAILED = "failed", "Failed"
    """Given up; `reason` says why."""


ROUTED_STATES = frozenset({ReplicaState.HEALTHY})
PLACED_STATES = frozenset({ReplicaState.STARTING, ReplicaState.HEALTHY, ReplicaState.UNHEALTHY})

_ENDS = frozenset({ReplicaState.STOPPING, ReplicaState.STOPPED, ReplicaState.FAILED})


class Replica(Stateful):
    """A slot of a service. What runs in it is an `Assignment`; a replacement is the next generation."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        ReplicaState.PENDING: frozenset({ReplicaState.NEGOTIATING}) | _ENDS,
        ReplicaState.NEGOTIATING: frozenset({ReplicaState.STARTING, ReplicaState.PENDING}) | _ENDS,
        ReplicaState.STARTING: frozenset({ReplicaState.HEALTHY, ReplicaState.UNHEALTHY, ReplicaState.PENDING})
        | _ENDS,
        ReplicaState.HEALTHY: frozenset({ReplicaState.UNHEALTHY, ReplicaState.PENDING}) | _ENDS,
        ReplicaState.UNHEALTHY: frozenset({ReplicaState.HEALTHY, ReplicaState.PENDING}) | _ENDS,
        ReplicaState.STOPPING: frozenset({ReplicaState.STOPPED}),
        ReplicaState.STOPPED: frozenset({ReplicaState.PENDING}),
        ReplicaState.FAILED: frozenset({ReplicaState.PENDING, ReplicaState.STOPPED}),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    service = models.ForeignKey("deployments.Service", on_delete=models.CASCADE, related_name="replicas")
    index = models.PositiveIntegerField(help_text="Counts from 1.")
    generation = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=12, choices=ReplicaState.choices, default=ReplicaState.PENDING)
    retry_at = models.DateTimeField(
        default=timezone.now, db_index=True, help_text="When it is looked at next."
    )
    leaving_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when the edge sends nobody to it, before it is stopped."
    )
    attempts = models.PositiveIntegerField(default=0, help_text="Generations that failed, in a row.")
    spec = models.JSONField(
        default=dict, help_text="ServiceSpec of this generation; its service may have a newer."
    )
    hold = models.ForeignKey(Hold, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    demand = models.ForeignKey(Demand, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    planned_offer = models.ForeignKey(
        Offer,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Where the applied plan put its next generation, until that is asked for.",
    )
    planned_per_hour_glm = GlmField(
        null=True, blank=True, help_text="What the applied plan said it would cost, until it first runs well."
    )

    refused_glm = GlmField(
        null=True, blank=True, help_text="What its next lease needed when money last lacked for it."
    )

    class Meta:
        ordering = ("service", "index")
        constraints = (
            models.UniqueConstraint(fields=("service", "index"), name="replica_once_per_index"),
            has_deadline(terminal={ReplicaState.STOPPED, ReplicaState.FAILED}, name="replica_has_deadline"),
        )

    @classmethod
    def terminal_states(cls) -> frozenset[str]:
        """Settled, though a deployment that is started again revives them."""
        return frozenset({ReplicaState.STOPPED, ReplicaState.FAILED})

    @property
    def is_terminal(self) -> bool:
        return self.state in self.terminal_states()

    @property
    def name(self) -> str:
        return f"{self.service.name}-{self.index}"

    @property
    def reference(self) -> str:
        """Under which market and billing know this generation."""
        return self.reference_of(self.generation)

    def reference_of(self, generation: int) -> str:
        return f"replica:{self.pk}:{generation}"

    @property
    def runs(self) -> ServiceSpec:
        """`spec`, typed."""
        return ServiceSpec.model_validate(self.spec)

    @property
    def is_outdated(self) -> bool:
        """Its service's recipe is newer than its own."""
        return self.spec != self.service.spec and self.runs.recipe != self.service.wants.recipe

    @property
    def is_routed(self) -> bool:
        """Whether the edge may send visitors to it, as far as the replica itself says."""
        return self.state in ROUTED_STATES and self.leaving_at is None

    @property
    def assignment(self) -> Assignment | None:
        """That of the current generation, whatever its state."""
        return self.assignments.filter(generation=self.generation).select_related("node", "agreement").first()

    def __str__(self) -> str:
        return f"{self.service.deployment.name}/{self.name}"

    @property
    def audit_team_id(self) -> int:
        return self.service.deployment.team_id


class AssignmentState(models.TextChoices):
    ACTIVE = "active", "Active"
    """Wanted on its node for as long as its lease lasts."""
    RELEASED = "released", "Released"
    """No longer wanted; the Bee has not yet said that it is gone."""
    ENDED = "ended", "Ended"
    """The Bee says that it is gone."""
    LOST = "lost", "Lost"
    """The Bee fell silent and the lease ran out: by its own fencing it stopped."""


class Assignment(Stateful):
    """One generation of one replica on one node, under an agreement and a lease."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        AssignmentState.ACTIVE: frozenset(
            {AssignmentState.RELEASED, AssignmentState.ENDED, AssignmentState.LOST}
        ),
        AssignmentState.RELEASED: frozenset({AssignmentState.ENDED, AssignmentState.LOST}),
        AssignmentState.ENDED: frozenset(),
        AssignmentState.LOST: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    replica = models.ForeignKey(Replica, on_delete=models.CASCADE, related_name="assignments")
    generation = models.PositiveIntegerField()
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="assignments")
    agreement = models.OneToOneField(Agreement, on_delete=models.PROTECT, related_name="assignment")
    state = models.CharField(max_length=12, choices=AssignmentState.choices, default=AssignmentState.ACTIVE)
    lease_until = models.DateTimeField()
    renew_at = models.DateTimeField(
        default=timezone.now, help_text="When its lease is renewed, if the budget pays for it."
    )
    observed = models.CharField(
        max_length=12,
        blank=True,
        choices=[(s.value, s.value) for s in RunState],
        help_text="As the Bee reports it.",
    )
    observed_reason = models.CharField(max_length=500, blank=True)
    observed_at = models.DateTimeField(null=True, blank=True)
    endpoint = models.CharField(
        max_length=120, blank=True, help_text="address:port where the edge reaches it."
    )
    endpoint_fault = models.CharField(
        max_length=400, blank=True, help_text="Why the endpoint that the Bee names now is not routed."
    )
    restarts = models.PositiveIntegerField(default=0)
    permit = models.JSONField(
        null=True, blank=True, help_text="What its application key allowed when it was made; the Bee is told."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(fields=("replica", "generation"), name="assignment_once_per_generation"),
            models.UniqueConstraint(
                fields=("replica",), condition=Q(state="active"), name="assignment_one_active_per_replica"
            ),
            has_deadline(
                terminal={AssignmentState.ENDED, AssignmentState.LOST}, name="assignment_has_deadline"
            ),
        )
        indexes = (
            models.Index(fields=("renew_at",), condition=Q(state="active"), name="assignment_by_renewal"),
        )

    def __str__(self) -> str:
        return f"{self.replica} generation {self.generation}"

    @property
    def audit_team_id(self) -> int:
        return self.replica.audit_team_id
