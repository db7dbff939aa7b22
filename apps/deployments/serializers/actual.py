"""An applied plan beside what was really paid."""

from __future__ import annotations

from rest_framework import serializers

from apps.deployments.plans.actual import Actual, ReplicaPaid
from apps.market.models import Agreement
from apps.teams.rest import Glm


class AgreedSerializer(serializers.Serializer[Agreement]):
    id = serializers.UUIDField()
    node_id = serializers.CharField()
    node_name = serializers.CharField(source="node.name")
    state = serializers.CharField()
    price_per_hour_glm = Glm()
    approved_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class ReplicaPaidSerializer(serializers.Serializer[ReplicaPaid]):
    replica = serializers.CharField()
    planned_price_per_hour_glm = Glm(allow_null=True)
    agreed_price_per_hour_glm = Glm(allow_null=True, help_text="Of its newest agreement.")
    ran_ms = serializers.IntegerField(help_text="Billed running time.")
    planned_glm = Glm(help_text="What the plan's prices make of that time: the most it said.")
    paid_glm = Glm(help_text="Rated usage.")
    agreements = AgreedSerializer(many=True)


class ActualSerializer(serializers.Serializer[Actual]):
    """Of an `Actual`: an applied plan beside what was really paid."""

    since = serializers.DateTimeField(help_text="When it was applied.")
    until = serializers.DateTimeField(allow_null=True, help_text="When the next plan was; null: it holds.")
    planned_price_per_hour_glm = Glm()
    agreed_price_per_hour_glm = Glm()
    planned_glm = Glm()
    paid_glm = Glm()
    replicas = ReplicaPaidSerializer(many=True)
