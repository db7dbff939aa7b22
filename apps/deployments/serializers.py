"""How plans, deployments and replicas are written in JSON."""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.billing.api import RunwaySerializer
from apps.billing.budgets.capping import counted_now
from apps.billing.models import AtEnd, BudgetCap, CapPeriod, CapState
from apps.deployments.compose.file import MAX_REPLICAS
from apps.deployments.ends.causes import short_of
from apps.deployments.ends.wording import money_of
from apps.deployments.logs import LINES, MOST_LINES
from apps.deployments.models import Plan, Replica, ReplicaState, Wanted
from apps.deployments.plans.actual import Actual, ReplicaPaid
from apps.deployments.plans.effect import Effect
from apps.deployments.plans.placing import per_month
from apps.deployments.plans.signing import proof_of
from apps.market.models import Agreement
from apps.money import plain
from apps.teams.models import AuditLine
from apps.teams.rest import Glm
from apps.teams.strict import StrictSerializer

MAX_SOURCE = 256 * 1024
"""Characters of a Compose file."""

MAX_VARIABLES = 1000
MAX_VARIABLE = 32 * 1024
"""Characters of one value."""
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class NewPlanSerializer(StrictSerializer[Any]):
    source = serializers.CharField(  # type: ignore[assignment]  # hides Field.source, which is not used here
        allow_blank=True,  # an empty file is explained like every other fault of a file
        trim_whitespace=False,
        max_length=MAX_SOURCE,
        help_text="The Compose file, as text.",
    )
    name = serializers.CharField(default="", allow_blank=True, help_text="Left out: the file's own `name`.")
    file_name = serializers.CharField(default="compose.yaml", max_length=200, help_text="For messages.")
    variables = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=MAX_VARIABLE),
        default=dict,
        help_text='What `${NAME}` in the file stands for: {"TAG": "1.2"}. Not kept.',
    )

    def validate_variables(self, variables: dict[str, str]) -> dict[str, str]:
        if len(variables) > MAX_VARIABLES:
            raise serializers.ValidationError(
                f"{len(variables)} variables: at most {MAX_VARIABLES} are taken"
            )
        for name in variables:
            if not VARIABLE_NAME.fullmatch(name):
                raise serializers.ValidationError(
                    {name: "a variable's name has letters, digits and _, no digit first"}
                )
        return variables


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


class PlanSerializer(serializers.ModelSerializer[Plan]):
    team = serializers.SlugField(source="team.slug", read_only=True)
    author = serializers.CharField(source="author.username", read_only=True)
    deployment = serializers.CharField(
        source="deployment.name",
        default=None,
        read_only=True,
        allow_null=True,
        help_text="What it became; null until applied.",
    )
    changes = serializers.BooleanField(
        read_only=True, help_text="Whether there was a deployment of this name when it was drawn up."
    )
    placements = PlacementSerializer(many=True, read_only=True)
    risks = RiskSerializer(many=True, read_only=True)
    notes = serializers.ListField(
        source="manifest.notes", child=serializers.CharField(), default=list, read_only=True
    )
    price_per_hour_glm = Glm()
    price_per_month_glm = Glm(help_text="730 hours.")
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


class PlanRowSerializer(serializers.ModelSerializer[Plan]):
    """Of a plan that `plans.listing.counted` gives: what a list of them needs, without the placements."""

    team = serializers.SlugField(source="team.slug", read_only=True)
    author = serializers.CharField(source="author.username", read_only=True)
    deployment = serializers.CharField(
        source="deployment.name",
        default=None,
        read_only=True,
        allow_null=True,
        help_text="What it became; null until applied.",
    )
    replicas = serializers.IntegerField(read_only=True)
    unplaced = serializers.IntegerField(read_only=True, help_text="Of them, those that found no place.")
    price_per_hour_glm = Glm()
    price_per_month_glm = Glm(help_text="730 hours.")

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


class ServiceSerializer(serializers.Serializer[Any]):
    """Of a `ServiceSheet`."""

    name = serializers.CharField(source="service.name")
    image = serializers.CharField(source="service.wants.image")
    replicas_wanted = serializers.IntegerField(source="service.replicas_wanted")
    replicas_healthy = serializers.IntegerField(source="healthy")
    replicas_failed = serializers.SerializerMethodField(help_text="Given up.")
    host = serializers.CharField(source="service.host", allow_null=True)
    url = serializers.CharField(source="service.url", allow_null=True, help_text="At the edge.")

    def get_replicas_failed(self, sheet: Any) -> int:
        return sum(each.replica.state == ReplicaState.FAILED for each in sheet.replicas)


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
    needed_glm = Glm(help_text="While it is short: what one more lease of everything takes.")
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

    limit_glm = serializers.DecimalField(
        max_digits=28,
        decimal_places=18,
        required=False,
        allow_null=True,
        help_text="Null takes the limit away.",
    )
    per = serializers.ChoiceField(choices=CapPeriod.choices, required=False)
    at_end = serializers.ChoiceField(
        choices=AtEnd.choices, required=False, allow_blank=True, help_text="Empty: as its budget says."
    )


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
        """Money that ends or has, else that of the replica in the worst way; empty when all is well."""
        deployment = sheet.deployment
        if money := money_of(deployment.cap):
            return money
        if deployment.wanted == Wanted.STOPPED and deployment.cap.state == CapState.ENDED:
            return str(deployment.cap.reason)
        settled = {ReplicaState.HEALTHY, ReplicaState.STOPPED}
        replicas = [each.replica for each in sheet.replicas]
        unsettled = [replica for replica in replicas if replica.state not in settled or replica.is_outdated]
        worst = sorted(unsettled, key=_badness, reverse=True)
        return "".join(f"{replica.name}: {replica.reason or replica.state}" for replica in worst[:1])


def _badness(replica: Replica) -> int:
    """A healthy one of an older recipe is the least of them."""
    return {ReplicaState.FAILED: 2, ReplicaState.HEALTHY: 0}.get(ReplicaState(replica.state), 1)


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


REPLICAS_ERRORS: dict[str, Any] = dict.fromkeys(
    ("min_value", "max_value", "invalid"), f"expected a whole number of replicas from 0 to {MAX_REPLICAS}"
)


class ScaleSerializer(serializers.Serializer[Any]):
    replicas = serializers.DictField(
        child=serializers.IntegerField(min_value=0, max_value=MAX_REPLICAS, error_messages=REPLICAS_ERRORS),
        allow_empty=False,
        help_text='{"web": 5}',
    )


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(
        required=False, allow_blank=True, max_length=400, help_text="For the audit trail."
    )


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
