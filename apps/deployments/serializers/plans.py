"""A plan: in short, as it is told to its author, and whole with the file and the proof."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.deployments.models import Plan
from apps.deployments.plans.signing import proof_of
from apps.deployments.serializers.placements import EffectSerializer, PlacementSerializer, RiskSerializer
from apps.teams.rest import Glm


# No docstring: who inherits would show it as its own in the OpenAPI document.
class _PlanHead(serializers.ModelSerializer[Plan]):
    team = serializers.SlugField(source="team.slug", read_only=True)
    author = serializers.CharField(source="author.username", read_only=True)
    deployment = serializers.CharField(
        source="deployment.name",
        default=None,
        read_only=True,
        allow_null=True,
        help_text="What it became; null until applied.",
    )
    price_per_hour_glm = Glm()
    price_per_month_glm = Glm(help_text="730 hours.")


class PlanRowSerializer(_PlanHead):
    """Of a plan that `plans.listing.counted` gives: what a list of them needs, without the placements."""

    replicas = serializers.IntegerField(read_only=True)
    unplaced = serializers.IntegerField(read_only=True, help_text="Of them, those that found no place.")

    class Meta:
        model = Plan
        fields = (
            "id",
            "team",
            "author",
            "name",
            "deployment",
            "replicas",
            "unplaced",
            "price_per_hour_glm",
            "price_per_month_glm",
            "created_at",
            "expires_at",
            "applied_at",
        )


class PlanSerializer(_PlanHead):
    changes = serializers.BooleanField(
        read_only=True, help_text="Whether there was a deployment of this name when it was drawn up."
    )
    placements = PlacementSerializer(many=True, read_only=True)
    risks = RiskSerializer(many=True, read_only=True)
    notes = serializers.ListField(
        source="manifest.notes", child=serializers.CharField(), default=list, read_only=True
    )
    effect = EffectSerializer(source="effect_then", read_only=True)
    available_glm = Glm(source="effect_then.available_glm")
    first_leases_glm = Glm(
        source="effect_then.first_leases_glm",
        help_text="What the budget must have for the replicas that find a place to start.",
    )
    runway_h = Glm(
        source="effect_then.runway_h",
        allow_null=True,
        help_text="Hours the budget would last at full price.",
    )

    class Meta:
        model = Plan
        fields = (
            "id",
            "team",
            "author",
            "name",
            "deployment",
            "changes",
            "placements",
            "risks",
            "notes",
            "price_per_hour_glm",
            "price_per_month_glm",
            "effect",
            "available_glm",
            "first_leases_glm",
            "runway_h",
            "signature",
            "created_at",
            "expires_at",
            "applied_at",
        )


class WholePlanSerializer(PlanSerializer):
    """With the file, what was understood of it, and who signed what."""

    manifest = serializers.DictField(read_only=True)
    proof = serializers.SerializerMethodField(
        help_text="`signer`, the `typed_data` that was signed (EIP-712, as wallets take it), and the "
        "`content` whose hash is in it."
    )

    class Meta(PlanSerializer.Meta):
        fields = (*PlanSerializer.Meta.fields, "manifest", "source", "proof")  # type: ignore[assignment]

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_proof(self, plan: Plan) -> dict[str, Any]:
        return proof_of(plan)
