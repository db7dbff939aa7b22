"""Where a plan would put each replica, what could go wrong there, and what it would do to the budget."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.deployments.plans.effect import Effect
from apps.deployments.plans.placing import per_month
from apps.teams.rest import Glm


class PlacementSerializer(serializers.Serializer[Any]):
    """Where one replica would go; `reason` says why nowhere, `nearest` what would have to give."""

    replica = serializers.CharField()
    service = serializers.CharField(default="")
    node_id = serializers.CharField(allow_null=True)
    node_name = serializers.CharField(allow_blank=True, default="")
    region = serializers.CharField(allow_blank=True, default="", help_text="Empty: none that is believed.")
    offer_id = serializers.CharField(allow_null=True, default=None)
    agreement_id = serializers.CharField(allow_null=True, default=None, help_text="Of one that stays.")
    price_per_hour_glm = serializers.CharField(allow_null=True)
    price_per_month_glm = serializers.SerializerMethodField(help_text="730 hours.", allow_null=True)
    start_glm = serializers.CharField(default="0", help_text="Paid once, when it starts there.")
    reason = serializers.CharField(allow_blank=True, default="")
    nearest = serializers.CharField(
        allow_blank=True, default="", help_text="The least that would have to change for it to be placed."
    )
    because = serializers.ListField(
        child=serializers.CharField(), default=list, help_text="Why there and not elsewhere."
    )
    stays = serializers.BooleanField(default=False, help_text="It runs there already and is left alone.")

    def get_price_per_month_glm(self, placement: dict[str, Any]) -> str | None:
        amount = per_month(placement)
        return None if amount is None else Glm().to_representation(amount)


class RiskSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text="one_node, one_owner, one_region, reputation, newcomer or region.")
    text = serializers.CharField()
    replicas = serializers.ListField(child=serializers.CharField())


class EffectSerializer(serializers.Serializer[Effect]):
    """Of an `Effect`: on the team's budget, as of `at`."""

    at = serializers.DateTimeField()
    available_glm = Glm()
    held_glm = Glm(help_text="Reserved for leases in force.")
    first_leases_glm = Glm(help_text="What must be available for the replicas that would start.")
    start_glm = Glm(help_text="Of that, start prices.")
    cap_glm = Glm(allow_null=True, help_text="What the deployment may take then; null: what the budget has.")
    cap_per = serializers.CharField(help_text="For how long that limit is: in all, or month.")
    cap_left_glm = Glm(allow_null=True, help_text="Of it, neither spent nor held.")
    at_end = serializers.CharField(help_text="When its money ends: stop, scale-down or ask.")
    rate_before_glm = Glm(help_text="Per hour, before it is applied.")
    rate_after_glm = Glm(help_text="Per hour, once it is applied.")
    runway_h = Glm(allow_null=True, help_text="Hours the money would last then, at full price.")
    cap_ends_first = serializers.BooleanField(
        help_text="Whether that is the cap's money, for it ends sooner than the budget's."
    )
    lasts_until = serializers.DateTimeField(allow_null=True)
