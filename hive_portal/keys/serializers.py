"""How keys are written in JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from apps.market.keys.policy import RULES
from apps.market.keys.reading import MOST, read_rules
from apps.teams.rest import Glm
from apps.teams.strict import GlmLimit, StrictSerializer
from hive_portal.keys.sheets import KeySheet

LONGEST_ENTRY = 2048
"""Characters: a public key as PEM is the longest."""


class RuleField(serializers.ListField):
    """Entries of one of RULES, in one way of writing."""

    def __init__(self, rule: str, **kwargs: Any) -> None:
        self.rule = rule
        child = serializers.CharField(max_length=LONGEST_ENTRY)
        super().__init__(child=child, max_length=MOST[rule], required=False, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        try:
            return read_rules(self.rule, super().to_internal_value(data))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None


def _limit(words: str) -> GlmLimit:
    return GlmLimit(min_value=Decimal(0), help_text=f"{words}; null: no limit.")


class AllowedSerializer(StrictSerializer[Any]):
    """What a key may. An empty list allows all."""

    providers = RuleField("providers", help_text="Node ids that alone may serve.")
    images = RuleField("images", help_text="Digests that alone may run: sha256:... or sha3-256:...")
    signers = RuleField(
        "signers", help_text="Public keys, one of which must have signed: PEM, or base64 of DER."
    )
    limit_glm = _limit("What it may spend in all")
    limit_per_day_glm = _limit("What it may spend from midnight UTC")
    limit_per_hour_glm = _limit("What all that runs under it may cost an hour")
    requests_per_minute = serializers.IntegerField(
        min_value=1, max_value=100_000, required=False, allow_null=True, help_text="null: no limit."
    )


class NewKeySerializer(AllowedSerializer):
    name = serializers.CharField(max_length=80, help_text="What it is for: ci, shop, ...")
    valid_days = serializers.IntegerField(min_value=1, max_value=366, default=90)


class KeySerializer(serializers.Serializer[Any]):
    """Of a `KeySheet`. What is held for leases counts as spent until it is given back."""

    id = serializers.IntegerField(source="policy.token_id")
    name = serializers.CharField(source="policy.token.name")
    hint = serializers.CharField(source="policy.token.hint", help_text="Its first characters.")
    team = serializers.SlugField(source="policy.token.team.slug")
    user = serializers.CharField(source="policy.token.user.username")
    state = serializers.CharField(help_text="issued, expired or revoked")
    created_at = serializers.DateTimeField(source="policy.token.created_at")
    expires_at = serializers.DateTimeField(source="policy.token.expires_at")
    revoked_at = serializers.DateTimeField(source="policy.token.revoked_at", allow_null=True)
    last_used_at = serializers.DateTimeField(source="policy.token.last_used_at", allow_null=True)
    changed_at = serializers.DateTimeField(source="policy.changed_at")
    providers, images, signers = (
        serializers.ListField(source=f"policy.{rule}", child=serializers.CharField()) for rule in RULES
    )
    limit_glm = Glm(source="policy.limit_glm", allow_null=True)
    limit_per_day_glm = Glm(source="policy.limit_per_day_glm", allow_null=True)
    limit_per_hour_glm = Glm(source="policy.limit_per_hour_glm", allow_null=True)
    requests_per_minute = serializers.IntegerField(source="policy.requests_per_minute", allow_null=True)
    in_words = serializers.CharField(source="policy.in_words", help_text="What it may, for people.")
    spent_glm = Glm(source="spend.total_glm")
    spent_today_glm = Glm(source="spend.today_glm")
    held_glm = Glm(source="spend.held_glm", help_text="Of both: reserved for leases in force.")
    per_hour_glm = Glm(source="spend.per_hour_glm", help_text="What runs under it costs an hour.")
    deployments = serializers.SerializerMethodField(help_text="Names of those applied with it last.")

    def get_deployments(self, key: KeySheet) -> list[str]:
        return [deployment.name for deployment in key.deployments]


class IssuedKeySerializer(KeySerializer):
    key = serializers.CharField(help_text="The secret itself: shown here and never again.")
