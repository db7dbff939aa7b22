"""REST: the nodes for rent, and the enrolments with which a Bee joins."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.nodes.hardware import benchmark
from apps.nodes.models import Enrolment, Node, Offer, OfferState
from apps.nodes.reach import may_approve, own_nodes, reachable_nodes
from apps.nodes.series import Range, series
from apps.teams.reach import person_of
from apps.teams.rest import Glm


class Column(serializers.ListField):
    """Values of one figure, one for each instant."""

    child = serializers.FloatField(allow_null=True)


class OfferSerializer(serializers.ModelSerializer[Offer]):
    start_glm = Glm()
    cpu_second_glm = Glm()
    second_glm = Glm()
    egress_gib_glm = Glm()
    price_per_hour_glm = serializers.SerializerMethodField(help_text="Of all it offers, every thread busy.")
    price_per_thread_hour_glm = serializers.SerializerMethodField(help_text="Of one busy thread.")

    class Meta:
        model = Offer
        fields = (
            "id",
            "runtime",
            "cpu_threads",
            "mem_gib",
            "storage_gib",
            "gpus",
            "start_glm",
            "cpu_second_glm",
            "second_glm",
            "egress_gib_glm",
            "price_per_hour_glm",
            "price_per_thread_hour_glm",
            "deadline_at",
        )

    def get_price_per_hour_glm(self, offer: Offer) -> str:
        return Glm().to_representation(offer.price_per_hour_glm(offer.cpu_threads))

    def get_price_per_thread_hour_glm(self, offer: Offer) -> str:
        return Glm().to_representation(offer.price_per_hour_glm(Decimal(1)))


class BenchmarkSerializer(serializers.Serializer[Any]):
    """What it measured of itself, with the date; null: could not be measured."""

    at = serializers.DateTimeField()
    cpu_single = serializers.FloatField(allow_null=True, help_text="CPU units of one thread.")
    cpu_all = serializers.FloatField(allow_null=True, help_text="CPU units of all threads together.")
    mem_gib_s = serializers.FloatField(allow_null=True)
    disk_write_mib_s = serializers.FloatField(allow_null=True)
    disk_read_mib_s = serializers.FloatField(allow_null=True)
    up_mbit_s = serializers.FloatField(allow_null=True, help_text="To the Queen.")
    down_mbit_s = serializers.FloatField(allow_null=True, help_text="From the Queen.")
    round_trip_ms = serializers.FloatField(allow_null=True, help_text="To the Queen and back.")


class OwnerFactsSerializer(serializers.ModelSerializer[Node]):
    """What concerns the owner of a node alone."""

    owner = serializers.CharField(source="owner.username", read_only=True)
    stats = serializers.DictField(read_only=True)
    properties = serializers.DictField(read_only=True)

    class Meta:
        model = Node
        fields = (
            "owner",
            "reason",
            "deadline_at",
            "agent_version",
            "ssh_host_key",
            "stats",
            "properties",
            "created_at",
        )


class NodeSerializer(serializers.ModelSerializer[Node]):
    runtimes = serializers.ListField(child=serializers.CharField(), read_only=True)
    approved = serializers.BooleanField(source="is_approved", read_only=True)
    offers = OfferSerializer(source="live_offers", many=True, read_only=True)
    benchmark = serializers.SerializerMethodField()
    mine = serializers.SerializerMethodField(
        help_text="It is yours; `private` is there for your nodes alone."
    )
    private = serializers.SerializerMethodField()

    class Meta:
        model = Node
        fields = (
            "id",
            "name",
            "state",
            "scheduling",
            "approved",
            "runtimes",
            "cpu_threads",
            "mem_gib",
            "storage_gib",
            "gpus",
            "cpu_threads_claimed",
            "mem_gib_claimed",
            "storage_gib_claimed",
            "gpus_claimed",
            "region",
            "region_fault",
            "round_trip_ms",
            "last_seen_at",
            "state_since",
            "offers",
            "benchmark",
            "mine",
            "private",
        )

    @extend_schema_field(BenchmarkSerializer(allow_null=True))
    def get_benchmark(self, node: Node) -> dict[str, Any] | None:
        told = benchmark(node)
        return BenchmarkSerializer(told).data if told else None

    def get_mine(self, node: Node) -> bool:
        return node.owner_id == person_of(self.context["request"])

    @extend_schema_field(OwnerFactsSerializer(allow_null=True))
    def get_private(self, node: Node) -> dict[str, Any] | None:
        return OwnerFactsSerializer(node).data if self.get_mine(node) else None


class FiguresSerializer(serializers.Serializer[Any]):
    """One list for each figure; null where the node was silent or has no such sensor."""

    cpu_percent = Column()
    mem_used_bytes = Column()
    disk_used_bytes = Column()
    sent_bytes_s = Column()
    received_bytes_s = Column()
    running = Column()
    temperature_c = Column()


class SeriesSerializer(serializers.Serializer[Any]):
    range = serializers.ChoiceField(choices=Range.choices)
    span_s = serializers.IntegerField(help_text="What one row is the average of; 0: one heartbeat.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    at = serializers.ListField(child=serializers.FloatField(), help_text="Unix seconds.")
    figures = FiguresSerializer()


class WhichSeriesSerializer(serializers.Serializer[Any]):
    range = serializers.ChoiceField(choices=Range.choices, default=Range.HOUR)


class NodeViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Node]):
    """Every node that takes work, with its public facts; your own ones always, with all of them."""

    queryset = Node.objects.select_related("owner", "benchmark")
    reached_by_keys = True
    serializer_class = NodeSerializer

    def get_queryset(self) -> QuerySet[Node]:
        live = Prefetch("offers", Offer.objects.filter(state=OfferState.LIVE), to_attr="live_offers")
        reach = own_nodes if self.action == "series" else reachable_nodes
        reachable = super().get_queryset().filter(pk__in=reach(self.request))
        return reachable.prefetch_related(live)

    @extend_schema(parameters=[WhichSeriesSerializer], responses=SeriesSerializer)
    @action(detail=True, url_path="statistics")
    def series(self, request: Request, pk: str) -> Response:
        """How busy it was: for its owner and for operators."""
        asked = WhichSeriesSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        told = series(self.get_object(), Range(asked.validated_data["range"]))
        return Response(SeriesSerializer(told._asdict()).data)

    def get_object(self) -> Node:
        self.kwargs["pk"] = self.kwargs["pk"].lower()
        return super().get_object()


class EnrolmentSerializer(serializers.ModelSerializer[Enrolment]):
    class Meta:
        model = Enrolment
        fields = ("id", "hint", "approves", "created_at", "expires_at", "used_at", "node")
        read_only_fields = fields


class NewEnrolmentSerializer(serializers.Serializer[Any]):
    valid_hours = serializers.IntegerField(min_value=1, max_value=24 * 30, default=24)
    approves = serializers.BooleanField(
        default=False, help_text="Approve the node at once; for operators (staff) alone."
    )


class IssuedEnrolmentSerializer(EnrolmentSerializer):
    token = serializers.CharField(
        read_only=True, help_text="Give it to `hive agent join`: shown here and never again."
    )

    class Meta(EnrolmentSerializer.Meta):
        fields = (*EnrolmentSerializer.Meta.fields, "token")  # type: ignore[assignment]


class EnrolmentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Enrolment]):
    """Your one-time tokens with which a Bee joins in your name."""

    queryset = Enrolment.objects.all()
    serializer_class = EnrolmentSerializer

    def get_queryset(self) -> QuerySet[Enrolment]:
        return super().get_queryset().filter(owner=self.request.user.pk)

    @extend_schema(request=NewEnrolmentSerializer, responses={201: IssuedEnrolmentSerializer})
    def create(self, request: Request) -> Response:
        asked = NewEnrolmentSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        approves = asked.validated_data["approves"]
        if approves and not may_approve(request.user):
            raise PermissionDenied(
                "only an operator's enrolment approves a node; leave `approves` (--approve) out"
            )
        valid = timedelta(hours=asked.validated_data["valid_hours"])
        enrolment, text = Enrolment.issue(owner=request.user, approves=approves, valid=valid)
        enrolment.token = text  # type: ignore[attr-defined]
        return Response(IssuedEnrolmentSerializer(enrolment).data, status.HTTP_201_CREATED)
