"""A replica as it stands."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.deployments.models import ReplicaState
from apps.teams.rest import Glm


class ReplicaSerializer(serializers.Serializer[Any]):
    """Of a `ReplicaSheet`; what an assignment says is null while there is none."""

    id = serializers.UUIDField(source="replica.id")
    name = serializers.CharField(source="replica.name")
    service = serializers.CharField(source="replica.service.name")
    generation = serializers.IntegerField(source="replica.generation")
    state = serializers.ChoiceField(source="replica.state", choices=ReplicaState.choices)
    reason = serializers.CharField(source="replica.reason")
    state_since = serializers.DateTimeField(source="replica.state_since")
    retry_at = serializers.DateTimeField(allow_null=True, help_text="When it is looked at next.")
    deadline_at = serializers.DateTimeField(source="gives_up_at", allow_null=True, help_text="Then it fails.")
    node_id = serializers.CharField(source="assignment.node_id", default=None, allow_null=True)
    node_name = serializers.CharField(source="assignment.node.name", default="")
    agreement = serializers.UUIDField(source="assignment.agreement_id", default=None, allow_null=True)
    price_per_hour_glm = Glm(allow_null=True)
    lease_until = serializers.DateTimeField(source="assignment.lease_until", default=None, allow_null=True)
    observed = serializers.CharField(source="assignment.observed", default="", help_text="As the Bee says.")
    endpoint = serializers.CharField(source="assignment.endpoint", default="")
    restarts = serializers.IntegerField(source="assignment.restarts", default=0)
