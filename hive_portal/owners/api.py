"""REST: your Bees, as `/bees/` shows them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.nodes.models import Node
from apps.nodes.reach import LIVE_FIRST
from apps.teams.rest import Glm
from hive_portal.owners.sheets import BeeSheet, agreements_of, sheets_of


class EarningsSerializer(serializers.Serializer[Any]):
    """In GLM. What was earned in all is paid, on the way or pending."""

    today_glm = Glm(help_text="Since midnight UTC.")
    month_glm = Glm(help_text="In the last 30 days.")
    total_glm = Glm()
    paid_glm = Glm(help_text="Final on the chain.")
    on_the_way_glm = Glm(help_text="Signed, sent or confirmed, not final yet.")
    pending_glm = Glm(help_text="Rated, and not paid yet.")


class RunSerializer(serializers.Serializer[Any]):
    """What runs there; what the team put into it is the team's."""

    agreement = serializers.UUIDField(source="agreement_id")
    image = serializers.CharField(source="agreement.image")
    runtime = serializers.CharField(source="agreement.runtime")
    team = serializers.CharField(source="agreement.team.slug")
    cpu_threads = serializers.DecimalField(10, 3, source="agreement.cpu_threads")
    mem_gib = serializers.DecimalField(12, 3, source="agreement.mem_gib")
    observed = serializers.CharField(help_text="As the Bee reports it; empty while it has not.")
    since = serializers.DateTimeField(source="created_at")
    price_per_hour_glm = Glm(source="agreement.price_per_hour_glm", help_text="With every thread busy.")


class WhyNotMoreSerializer(serializers.Serializer[Any]):
    text = serializers.CharField()
    remedy = serializers.CharField(help_text="What its owner can do about it.")


class BeeSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="node.pk")
    name = serializers.CharField(source="node.name")
    state = serializers.CharField(source="node.state")
    scheduling = serializers.CharField(source="node.scheduling")
    approved = serializers.BooleanField(source="node.is_approved")
    last_seen_at = serializers.DateTimeField(source="node.last_seen_at", allow_null=True)
    runs = RunSerializer(many=True)
    earned = EarningsSerializer()
    rented_percent = serializers.FloatField(
        source="facts.rented_percent", allow_null=True, help_text="Of its threads, in the last seven days."
    )
    offline_h = serializers.FloatField(
        source="facts.offline_h", help_text="Hours of the last seven days in which it was not heard."
    )
    reputation = serializers.FloatField(
        source="facts.reputation",
        help_text="0 to 1; `/api/v1/nodes/<id>/reputation/` says what it comes from.",
    )
    is_newcomer = serializers.BooleanField(source="facts.is_newcomer", help_text="Too little is known of it.")
    why_not_more = WhyNotMoreSerializer(source="reasons", many=True)


class AgreementEarnedSerializer(serializers.Serializer[Any]):
    """Of one agreement of the last 30 days."""

    agreement = serializers.UUIDField(source="agreement.pk")
    image = serializers.CharField(source="agreement.image")
    state = serializers.CharField(source="agreement.state")
    reason = serializers.CharField(source="agreement.reason")
    approved_at = serializers.DateTimeField(source="agreement.approved_at", allow_null=True)
    ended_at = serializers.DateTimeField(source="agreement.ended_at", allow_null=True)
    earned_glm = Glm()
    asked_glm = Glm(allow_null=True, help_text="By its newest debit note.")
    note_state = serializers.CharField(help_text="Of that note; empty while there is none.")
    note_reason = serializers.CharField()
    note_final = serializers.BooleanField(help_text="That note is the invoice.")
    dispute = serializers.UUIDField(
        source="dispute_id", allow_null=True, help_text="The newest one over its notes, open or over."
    )


class BeeDetailSerializer(BeeSerializer):
    agreements = AgreementEarnedSerializer(many=True)


class BeeViewSet(GenericViewSet[Node]):
    """Your own Bees: what runs there, what they earned, and what keeps them from earning more."""

    queryset = Node.objects.select_related("benchmark")
    serializer_class = BeeSerializer

    def get_queryset(self) -> QuerySet[Node]:
        return super().get_queryset().filter(owner=self.request.user.pk).order_by(LIVE_FIRST, "name", "pk")

    @extend_schema(responses=BeeSerializer(many=True))
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response(BeeSerializer(sheets_of(page), many=True).data)

    @extend_schema(responses=BeeDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        self.kwargs["pk"] = pk.lower()
        node = self.get_object()
        return Response(_whole(node, *sheets_of([node])))


def _whole(node: Node, sheet: BeeSheet) -> dict[str, Any]:
    earned = AgreementEarnedSerializer(agreements_of(node), many=True).data
    return {**BeeSerializer(sheet).data, "agreements": earned}
