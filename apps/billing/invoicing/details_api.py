"""REST: whom a team's invoices are made out to."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.billing.invoicing.addressing import OWN_FIELDS, BillingDetailsForm, change_details
from apps.billing.invoicing.billing_details import BillingDetails
from apps.billing.invoicing.taxing import details_of, rates_of
from apps.money import plain
from apps.teams.audit import Actor
from apps.teams.models import Team
from apps.teams.rest import TEAM, TeamScoped, must_be_allowed, user_of
from apps.teams.strict import StrictSerializer

SLUG = OpenApiParameter("id", OpenApiTypes.STR, OpenApiParameter.PATH, description="Slug of the team.")


class RateSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    percent = serializers.CharField()


class BillingDetailsSerializer(serializers.ModelSerializer[BillingDetails]):
    """Empty texts: the team's own name, and its owners' addresses. Taxes are the operator's to set."""

    team = serializers.SlugField(source="team.slug", read_only=True)
    taxes = serializers.SerializerMethodField()

    class Meta:
        model = BillingDetails
        fields = ("team", *OWN_FIELDS, "taxes", "note", "is_monthly")

    @extend_schema_field(RateSerializer(many=True))
    def get_taxes(self, details: BillingDetails) -> list[dict[str, str]]:
        return [{"name": name, "percent": plain(percent)} for name, percent in rates_of(details)]


class OwnDetailsSerializer(StrictSerializer[Any]):
    """What is left out stays as it is."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=120)
    address = serializers.CharField(required=False, allow_blank=True, max_length=500)
    tax_id = serializers.CharField(required=False, allow_blank=True, max_length=40)
    email = serializers.EmailField(required=False, allow_blank=True)


@extend_schema_view(
    list=extend_schema(parameters=[TEAM], responses=BillingDetailsSerializer(many=True)),
    retrieve=extend_schema(parameters=[SLUG], responses=BillingDetailsSerializer),
)
class BillingDetailsViewSet(mixins.RetrieveModelMixin, TeamScoped[Team]):
    """Whom invoices are made out to, for each of your teams; by the team's slug."""

    queryset = Team.objects.select_related("billing_details").order_by("pk")
    serializer_class = BillingDetailsSerializer  # type: ignore[assignment]  # a team's, made in `_told`
    team_path: ClassVar[str] = "pk"
    lookup_field, lookup_url_kwarg = "slug", "pk"

    def list(self, request: Request) -> Response:
        teams = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response([_told(team) for team in teams])

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(_told(self.get_object()))

    @extend_schema(parameters=[SLUG], request=OwnDetailsSerializer, responses={200: BillingDetailsSerializer})
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change them, for invoices that are drawn up from now on. Owners alone may."""
        team = self.get_object()
        must_be_allowed(request, team, owner=True)
        asked = OwnDetailsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        changed = change_details(team, asked.validated_data, actor=Actor.user(user_of(request)))
        if isinstance(changed, BillingDetailsForm):
            raise serializers.ValidationError(
                {name: [str(each) for each in told] for name, told in changed.errors.items()}
            )
        return Response(BillingDetailsSerializer(changed).data)


def _told(team: Team) -> dict[str, Any]:
    found = getattr(team, "billing_details", None) or details_of(team)
    found.team = team
    return dict(BillingDetailsSerializer(found).data)
