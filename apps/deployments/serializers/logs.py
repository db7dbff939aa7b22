"""What a replica wrote, and what happened to a deployment."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.deployments.logs import LINES, MOST_LINES
from apps.teams.models import AuditLine


class LogQuerySerializer(serializers.Serializer[Any]):
    tail = serializers.IntegerField(
        min_value=1, max_value=MOST_LINES, default=LINES, help_text="How many lines at most."
    )
    after = serializers.RegexField(
        r"^[\w./:-]*$",
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="To follow: empty at first, then the `mark` of the answer before. Whole lines, each once.",
    )


class LogSerializer(serializers.Serializer[Any]):
    """Of a `ReplicaLog`."""

    replica = serializers.CharField()
    generation = serializers.IntegerField()
    node_id = serializers.CharField()
    node_name = serializers.CharField()
    text = serializers.CharField(
        help_text="Both streams, in the order they came; bytes that are no UTF-8 as �."
    )
    mark = serializers.CharField(help_text="Where it ends, for who follows; else empty.")


class EventSerializer(serializers.ModelSerializer[AuditLine]):
    class Meta:
        model = AuditLine
        fields = ("at", "noun", "noun_id", "label", "before", "after", "actor", "reason")
