"""What can be asked of a deployment."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.deployments.compose.file import MAX_REPLICAS
from apps.teams.strict import StrictSerializer

REPLICAS_ERRORS: dict[str, Any] = dict.fromkeys(
    ("min_value", "max_value", "invalid"), f"expected a whole number of replicas from 0 to {MAX_REPLICAS}"
)


class ScaleSerializer(StrictSerializer[Any]):
    replicas = serializers.DictField(
        child=serializers.IntegerField(min_value=0, max_value=MAX_REPLICAS, error_messages=REPLICAS_ERRORS),
        allow_empty=False,
        help_text='{"web": 5}',
    )


class ReasonSerializer(StrictSerializer[Any]):
    reason = serializers.CharField(
        required=False, allow_blank=True, max_length=400, help_text="For the audit trail."
    )
