"""REST: budgets, metered usage, and invoices."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.billing.budgets.ending import choose_end
from apps.billing.budgets.runway import Runway, runway_in, with_rates
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.forms import as_file
from apps.billing.models import AtEnd, Budget, CreditNote, Invoice, UsageRecord
from apps.billing.treasury.signers import treasury_address
from apps.billing.wallets.api import WalletSerializer
from apps.teams.audit import Actor
from apps.teams.rest import TEAM, Glm, TeamScoped, acting_team, is_uuid, user_of
from apps.teams.strict import StrictSerializer, must_say_nothing

AGREEMENT = OpenApiParameter("agreement", OpenApiTypes.UUID, description="Of this agreement alone.")


class DepositSerializer(serializers.Serializer[Any]):
    """Where GLM sent from a registered wallet is credited to the budget."""

    chain_id = serializers.IntegerField()
    token = serializers.CharField(help_text="The GLM contract.")
    recipient = serializers.CharField(help_text="The Hive's treasury.")


class RunwaySerializer(serializers.Serializer[Any]):
    """Of a `Runway`, or a budget's: how long it lasts at the rate of what runs now; what is held counts."""

    per_hour_glm = Glm(help_text="With every thread busy.")
    lasts_s = serializers.FloatField(allow_null=True, help_text="Seconds; null while nothing is spent.")
    lasts_until = serializers.DateTimeField(
        source="until", allow_null=True, help_text="Null while nothing is spent, and beyond a year."
    )
    in_words = serializers.CharField()

    def to_representation(self, of: Budget | Runway) -> dict[str, Any]:
        return super().to_representation(of if isinstance(of, Runway) else runway_in(of))


class BudgetSerializer(serializers.ModelSerializer[Budget]):
    team = serializers.SlugField(source="team.slug", read_only=True)
    available_glm = Glm()
    held_glm = Glm()
    spent_glm = Glm()
    credit_limit_glm = Glm(help_text="How much of what is available is lent: due with the next invoice.")
    owed_glm = Glm(help_text="Spent on credit and not paid yet.")
    at_end = serializers.ChoiceField(
        choices=AtEnd.choices, help_text="What becomes of what runs when its money ends."
    )
    runway = RunwaySerializer(source="*", read_only=True)
    wallets = WalletSerializer(many=True, read_only=True)
    deposit = serializers.SerializerMethodField()

    class Meta:
        model = Budget
        fields = (
            "id",
            "team",
            "name",
            "available_glm",
            "held_glm",
            "spent_glm",
            "credit_limit_glm",
            "owed_glm",
            "at_end",
            "runway",
            "wallets",
            "deposit",
        )

    @extend_schema_field(DepositSerializer)
    def get_deposit(self, budget: Budget) -> dict[str, Any]:
        return {
            "chain_id": settings.HIVE_CHAIN_ID,
            "token": settings.HIVE_GLM_TOKEN,
            "recipient": treasury_address(),
        }


class EndSerializer(StrictSerializer[Any]):
    at_end = serializers.ChoiceField(choices=AtEnd.choices)


@extend_schema_view(list=extend_schema(parameters=[TEAM]))
class BudgetViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TeamScoped[Budget]):
    """What a team may spend: prepaid, or on credit up to a limit that the operator sets."""

    queryset = with_rates(
        Budget.objects.select_related("team", "available", "held")
        .prefetch_related("wallets__proofs")
        .order_by("id")
    )
    serializer_class = BudgetSerializer

    @extend_schema(request=EndSerializer, responses=BudgetSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Choose what becomes of what runs on it when its money ends; deployments may say otherwise."""
        budget = self.get_changeable(owner=True)
        asked = EndSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        choose_end(budget, asked.validated_data["at_end"], actor=Actor.user(user_of(request)))
        return Response(BudgetSerializer(self.get_object()).data)


class UsageSerializer(serializers.ModelSerializer[UsageRecord]):
    cost_glm = Glm(allow_null=True)

    class Meta:
        model = UsageRecord
        fields = (
            "agreement",
            "sequence",
            "state",
            "started_at_ms",
            "ended_at_ms",
            "running_ms",
            "cpu_ms",
            "egress_bytes",
            "billed_running_ms",
            "billed_cpu_ms",
            "billed_egress_bytes",
            "cost_glm",
            "reduced_because",
            "final",
            "previous_hash",
            "hash",
            "signature",
        )


@extend_schema_view(list=extend_schema(parameters=[TEAM, AGREEMENT]))
class UsageViewSet(mixins.ListModelMixin, TeamScoped[UsageRecord]):
    """Metered usage, newest first: what the Bee reported and signed, what was billed, and why not more."""

    queryset = UsageRecord.objects.order_by("-ended_at_ms", "-id")
    serializer_class = UsageSerializer
    team_path = "agreement__team"
    narrowed_by = "agreement"


class TaxSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    percent = serializers.CharField()
    base_glm = serializers.CharField()
    amount_glm = serializers.CharField()


class CreditNoteSerializer(serializers.ModelSerializer[CreditNote]):
    net_glm = Glm()
    tax_glm = Glm()
    total_glm = Glm()

    class Meta:
        model = CreditNote
        fields = ("number", "reason", "net_glm", "tax_glm", "total_glm", "issued_at")


class InvoiceSerializer(serializers.ModelSerializer[Invoice]):
    team = serializers.SlugField(source="team.slug", read_only=True)
    net_glm = Glm(help_text="Used, and prepaid.")
    tax_glm = Glm()
    total_glm = Glm()
    credit_glm = Glm(help_text="Of what was used, what was used on credit and is due.")
    due_glm = Glm(help_text="Still to be paid.")
    taxes = TaxSerializer(many=True, read_only=True)
    lines = serializers.ListField(child=serializers.DictField(), read_only=True)
    credit_notes = CreditNoteSerializer(many=True, read_only=True)

    class Meta:
        model = Invoice
        fields = (
            "id",
            "number",
            "team",
            "state",
            "reason",
            "period_start",
            "period_end",
            "net_glm",
            "taxes",
            "tax_glm",
            "total_glm",
            "credit_glm",
            "due_glm",
            "due_at",
            "lines",
            "credit_notes",
            "note",
            "issued_at",
        )


PDF, CSV, PROOF = ((200, kind) for kind in ("application/pdf", "text/csv", "application/json"))


@extend_schema_view(list=extend_schema(parameters=[TEAM]))
class InvoiceViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TeamScoped[Invoice]):
    """Invoices of your team, newest first; by number or id."""

    queryset = Invoice.objects.select_related("team").prefetch_related("credit_notes")
    serializer_class = InvoiceSerializer

    def get_object(self) -> Invoice:
        if not is_uuid(self.kwargs["pk"]):
            self.lookup_field, self.lookup_url_kwarg = "number", "pk"
        return super().get_object()

    @extend_schema(request=None, responses={201: InvoiceSerializer}, parameters=[TEAM])
    def create(self, request: Request) -> Response:
        """Draw up an invoice of all that was rated and not invoiced yet."""
        team, actor = acting_team(request), Actor.user(user_of(request))
        must_say_nothing(request)
        invoice = draw_up_invoice(team=team, actor=actor, until=timezone.now())
        return Response(InvoiceSerializer(invoice).data, status.HTTP_201_CREATED)

    @extend_schema(responses={PROOF: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["get"])
    def export(self, request: Request, pk: str) -> HttpResponse:
        """As JSON with all its proof, for `hive verify-invoice`: signed reports, agreements, hashes."""
        return as_file(self.get_object(), "json")

    @extend_schema(responses={PDF: OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def pdf(self, request: Request, pk: str) -> HttpResponse:
        return as_file(self.get_object(), "pdf")

    @extend_schema(responses={CSV: OpenApiTypes.STR})
    @action(detail=True, methods=["get"])
    def csv(self, request: Request, pk: str) -> HttpResponse:
        """A row for each line and each tax, and the total."""
        return as_file(self.get_object(), "csv")
