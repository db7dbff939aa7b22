"""How plans, deployments and replicas are written in JSON."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.deployments.models import Assignment, Deployment, Plan, Replica, ReplicaState, Service
from apps.deployments.status import status_of
from apps.money import ZERO
from apps.teams.models import AuditLine
from apps.teams.rest import Glm


class NewPlanSerializer(serializers.Serializer[Any]):
    source = serializers.CharField(trim_whitespace=False, help_text="The Compose file, as text.")
    name = serializers.CharField(
        required=False, allow_blank=True, max_length=40, help_text="Of the deployment."
    )
    file_name = serializers.CharField(default="compose.yaml", max_length=200, help_text="For messages.")


class PlacementSerializer(serializers.Serializer[Any]):
    """Where one replica would go, or why nowhere."""

    replica = serializers.CharField()
    node_id = serializers.CharField(allow_null=True)
    offer_id = serializers.CharField(allow_null=True)
    price_per_hour_glm = serializers.CharField(allow_null=True)
    reason = serializers.CharField(help_text="Why none; empty when there is a node.")


class PlanSerializer(serializers.ModelSerializer[Plan]):
    team = serializers.SlugField(source="team.slug", read_only=True)
    author = serializers.CharField(source="author.username", read_only=True)
    placements = PlacementSerializer(many=True, read_only=True)
    manifest = serializers.DictField(read_only=True)
    price_per_hour_glm = Glm()
    deployment = serializers.CharField(
        source="deployment.name", default=None, read_only=True, allow_null=True
    )

    class Meta:
        model = Plan
        fields = (
            "id",
            "team",
            "author",
            "name",
            "placements",
            "price_per_hour_glm",
            "manifest",
            "source",
            "deployment",
            "signature",
            "created_at",
            "expires_at",
        )


class ServiceSerializer(serializers.ModelSerializer[Service]):
    image = serializers.CharField(source="spec.image", read_only=True)
    replicas_healthy = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField(help_text="At the edge; null for a service without a port.")

    class Meta:
        model = Service
        fields = ("name", "image", "replicas_wanted", "replicas_healthy", "host", "url")

    def get_replicas_healthy(self, service: Service) -> int:
        return sum(replica.state == ReplicaState.HEALTHY for replica in service.replicas.all())

    def get_url(self, service: Service) -> str | None:
        return service.url
