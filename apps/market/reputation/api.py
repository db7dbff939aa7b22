"""REST: a node's reputation, with what it comes from."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from apps.market.reputation.records import FactKind
from apps.market.reputation.showing import shown
from apps.nodes.models import Node
from apps.nodes.reach import may_see_private, reachable_nodes


class FactSerializer(serializers.Serializer[Any]):
    """One thing that happened. Weights are in agreements, and fade with the days."""

    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=FactKind.choices)
    detail = serializers.CharField()
    speaks_for = serializers.FloatField()
    speaks_against = serializers.FloatField()
    agreement = serializers.UUIDField(source="agreement_id", allow_null=True)


class ReputationSerializer(serializers.Serializer[Any]):
    """How far a node can be relied on: from facts alone."""

    score = serializers.FloatField(help_text="0 to 1: the share of what was promised that one may expect.")
    is_newcomer = serializers.BooleanField(help_text="Too little is known of it to say more.")
    evidence = serializers.FloatField(help_text="How much is known of it by now, in agreements.")
    kept = serializers.IntegerField(help_text="Agreements of the last 30 days.")
    lost = serializers.IntegerField(help_text="Agreements of the last 30 days.")
    uptime = serializers.FloatField(
        allow_null=True, help_text="Of the days of the last 30 on which it came, 0 to 1."
    )
    sentences = serializers.ListField(
        child=serializers.CharField(), help_text="What the score comes from; what speaks against it first."
    )
    computed_at = serializers.DateTimeField(allow_null=True, help_text="Null: nothing is known of it yet.")
    facts = FactSerializer(many=True, help_text="The newest 50, for its owner and for operators alone.")


class ReputationView(GenericAPIView[Node]):
    """How far a node can be relied on, and why: of any node that you may see."""

    reached_by_keys = True

    queryset = Node.objects.all()
    serializer_class = ReputationSerializer

    def get_queryset(self) -> QuerySet[Node]:
        return reachable_nodes(self.request)

    @extend_schema(operation_id="nodes_reputation_retrieve", responses=ReputationSerializer)
    def get(self, request: Request, pk: str) -> Response:
        self.kwargs["pk"] = pk.lower()
        node = self.get_object()
        told = shown(node, with_facts=may_see_private(request, node))
        return Response(ReputationSerializer(told).data)
