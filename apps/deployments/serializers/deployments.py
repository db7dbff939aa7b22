"""A deployment and its services, as they stand."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.billing.api import RunwaySerializer
from apps.billing.models import CapState
from apps.deployments.ends.wording import money_of, taken_of
from apps.deployments.models import Replica, ReplicaState, Wanted
from apps.deployments.serializers.caps import CapSerializer
from apps.teams.rest import Glm


class ServiceSerializer(serializers.Serializer[Any]):
    """Of a `ServiceSheet`."""

    name = serializers.CharField(source="service.name")
    image = serializers.CharField(source="service.wants.image")
    replicas_wanted = serializers.IntegerField(source="service.replicas_wanted")
    replicas_healthy = serializers.IntegerField(source="healthy")
    replicas_failed = serializers.SerializerMethodField(help_text="Given up.")
    host = serializers.CharField(source="service.host", allow_null=True)
    url = serializers.CharField(source="service.url", allow_null=True, help_text="At the edge.")

    replicas_taken = serializers.IntegerField(
        source="service.taken",
        help_text="Let go for want of money: they come back by themselves once they are funded again.",
    )
    taken_at = serializers.DateTimeField(source="service.taken_at", allow_null=True)
    taken_by = serializers.CharField(source="service.taken_by", help_text="As in its events.")

    def get_replicas_failed(self, sheet: Any) -> int:
        return sum(each.replica.state == ReplicaState.FAILED for each in sheet.replicas)


class DeploymentSerializer(serializers.Serializer[Any]):
    """Of a `DeploymentSheet`."""

    id = serializers.UUIDField(source="deployment.id")
    name = serializers.CharField(source="deployment.name")
    team = serializers.SlugField(source="deployment.team.slug")
    budget = serializers.IntegerField(source="deployment.budget_id")
    wanted = serializers.ChoiceField(source="deployment.wanted", choices=Wanted.choices)
    status = serializers.CharField(help_text="Derived from the replicas.")
    reason = serializers.SerializerMethodField(help_text="What it waits for, or why it failed.")
    cap = CapSerializer(source="deployment.cap")
    runway = RunwaySerializer(
        help_text="How long its money lasts: its budget's, or its cap's where that ends sooner."
    )
    services = ServiceSerializer(many=True)
    price_per_hour_glm = Glm()
    created_by = serializers.CharField(source="deployment.created_by.username")
    created_at = serializers.DateTimeField(source="deployment.created_at")
    key = serializers.CharField(
        source="deployment.key.name",
        default=None,
        allow_null=True,
        help_text="Name of the token it was applied with last; null: by somebody who was signed in.",
    )

    def get_reason(self, sheet: Any) -> str:
        """Money that ends or has, else that of the replica in the worst way, else what was let go for want of
        money; empty when all is well."""
        deployment = sheet.deployment
        if money := money_of(deployment.cap):
            return money
        if deployment.wanted == Wanted.STOPPED and deployment.cap.state == CapState.ENDED:
            return str(deployment.cap.reason)
        settled = {ReplicaState.HEALTHY, ReplicaState.STOPPED}
        replicas = [each.replica for each in sheet.replicas]
        unsettled = [replica for replica in replicas if replica.state not in settled or replica.is_outdated]
        worst = sorted(unsettled, key=_badness, reverse=True)
        of_worst = "".join(f"{replica.name}: {replica.reason or replica.state}" for replica in worst[:1])
        return of_worst or taken_of(deployment.cap, [each.service for each in sheet.services])


def _badness(replica: Replica) -> int:
    """A healthy one of an older recipe is the least of them."""
    return {ReplicaState.FAILED: 2, ReplicaState.HEALTHY: 0}.get(ReplicaState(replica.state), 1)
