"""What a deployment may take of its team's budget."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.billing.budgets.capping import counted_now
from apps.billing.models import AtEnd, BudgetCap, CapPeriod, CapState
from apps.deployments.ends.causes import short_of
from apps.money import plain
from apps.teams.rest import Glm
from apps.teams.strict import GlmLimit, StrictSerializer


class CapSerializer(serializers.Serializer[BudgetCap]):
    """What a deployment may take of its team's budget, and how its money stands."""

    limit_glm = Glm(allow_null=True, help_text="Null: as much as the budget has.")
    per = serializers.ChoiceField(choices=CapPeriod.choices, help_text="For how long the limit is.")
    used_glm = serializers.SerializerMethodField(help_text="Held and spent, in this period.")
    left_glm = serializers.SerializerMethodField(allow_null=True)
    at_end = serializers.ChoiceField(
        choices=AtEnd.choices, source="choice", help_text="What becomes of it when its money ends."
    )
    at_end_is_its_own = serializers.BooleanField(source="at_end", help_text="False: as its budget says.")
    state = serializers.ChoiceField(choices=CapState.choices)
    reason = serializers.CharField(help_text="Why it is in this state.")
    needed_glm = Glm(
        help_text="While it is short: what one more lease of everything takes. While replicas are let go for "
        "want of money: what must be left of it for the next of them to come back; its budget must have "
        "`beside_glm` more available."
    )
    beside_glm = Glm(
        help_text="While replicas are let go for want of money: what others of its budget need, which comes "
        "first."
    )
    deadline_at = serializers.DateTimeField(
        allow_null=True, help_text="While it is short: by when something is done about it."
    )
    short_of = serializers.SerializerMethodField(
        allow_null=True, help_text="While it is short: whose room is too small: cap, budget or both."
    )

    def get_short_of(self, cap: BudgetCap) -> str | None:
        return short_of(cap)

    @extend_schema_field(Glm)
    def get_used_glm(self, cap: BudgetCap) -> str:
        return plain(counted_now(cap))

    @extend_schema_field(Glm)
    def get_left_glm(self, cap: BudgetCap) -> str | None:
        return None if cap.limit_glm is None else plain(cap.limit_glm - counted_now(cap))


class NewCapSerializer(StrictSerializer[Any]):
    """What is left out stays as it is."""

    limit_glm = GlmLimit(help_text="Null takes the limit away.")
    per = serializers.ChoiceField(choices=CapPeriod.choices, required=False)
    at_end = serializers.ChoiceField(
        choices=AtEnd.choices, required=False, allow_blank=True, help_text="Empty: as its budget says."
    )
