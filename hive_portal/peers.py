"""`/peers`: provider information as Golem Unlimited's hub tells it, for scripts that were written for one.

Names and shapes of `/peers` and `/peers/{nodeId}` are those of its `gu-hub-api.yaml`, those of `/inf/...` its
roadmap's; what neither knows (`/inf/gpu`, `/inf/net`, `/hardware`) is named as in the rest of our API.
Source: https://github.com/golemfactory/golem-unlimited/wiki/Golem-Unlimited-Roadmap
"""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agent.protocol import RunState
from apps.deployments.models import Assignment, AssignmentState
from apps.nodes import hardware, presence
from apps.nodes.api import BenchmarkSerializer
from apps.nodes.models import Node
from apps.nodes.reach import LIVE_FIRST, may_see_private, reachable_nodes
from apps.teams.reach import reachable_teams

STATUS = {
    RunState.PREPARING: "pending",
    RunState.STARTING: "created",
    RunState.STOPPING: "destroying",
    RunState.STOPPED: "destroying",
    RunState.FAILED: "destroying",
}
"""Golem Unlimited's word for what a Bee reports; whatever is not here runs."""

_number: dict[str, Any] = {"allow_null": True, "help_text": "null: not known"}


# -- shapes -----------------------------------------------------------------------------------------------


class PeerInfoSerializer(serializers.Serializer[Any]):
    nodeId = serializers.CharField()
    nodeName = serializers.CharField()
    peerAddr = serializers.CharField(
        help_text="IP address it calls from; told to its owner and to operators, else empty."
    )
    tags = serializers.ListField(child=serializers.CharField(), help_text="Its state and its runtimes.")


class PeerSessionSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=["pending", "created", "running", "destroying"])
    tags = serializers.ListField(child=serializers.CharField())
    note = serializers.CharField(help_text="The image.")


class PeerDetailsSerializer(PeerInfoSerializer):
    sessions = PeerSessionSerializer(many=True, help_text="What your teams run there.")


class StorageSerializer(serializers.Serializer[Any]):
    gib = serializers.FloatField(allow_null=True, help_text="Free where replicas write.")


class CpuSerializer(serializers.Serializer[Any]):
    architecture = serializers.CharField(allow_null=True)
    bit = serializers.ListField(child=serializers.ChoiceField(choices=[32, 64]))
    cores = serializers.IntegerField(**_number)
    threads = serializers.IntegerField(**_number)


class NamedCpuSerializer(CpuSerializer):
    brand = serializers.CharField(allow_null=True)


class MemSerializer(serializers.Serializer[Any]):
    gib = serializers.FloatField(help_text="For rent.")
    total = serializers.FloatField(allow_null=True, help_text="Built in, in GiB.")


class OsSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(allow_null=True)


class CardSerializer(serializers.Serializer[Any]):
    vendor = serializers.ChoiceField(choices=hardware.GPU_VENDORS)
    pci = serializers.CharField(allow_null=True, help_text="Vendor and device, as in the PCI ID registry.")
    model = serializers.CharField(allow_null=True)
    mem_gib = serializers.FloatField(**_number)


class GpuSerializer(serializers.Serializer[Any]):
    amd = serializers.IntegerField(help_text="How many of this maker's.")
    nvidia = serializers.IntegerField()
    intel = serializers.IntegerField()
    other = serializers.IntegerField()
    cards = CardSerializer(many=True)


class InterfaceSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(allow_null=True)
    mbit_s = serializers.FloatField(allow_null=True, help_text="Of the link, as its driver tells.")


class NetSerializer(serializers.Serializer[Any]):
    interfaces = InterfaceSerializer(many=True)
    up_mbit_s = serializers.FloatField(allow_null=True, help_text="To the Queen, measured.")
    down_mbit_s = serializers.FloatField(allow_null=True, help_text="From the Queen, measured.")
    round_trip_ms = serializers.FloatField(allow_null=True, help_text="To the Queen and back, measured.")


class HardwareSerializer(serializers.Serializer[Any]):
    model = serializers.CharField(allow_null=True, help_text="Maker and product.")
    cpu = NamedCpuSerializer()
    mem = MemSerializer()
    storage = StorageSerializer()
    os = OsSerializer()
    gpu = GpuSerializer()
    net = NetSerializer()
    benchmark = BenchmarkSerializer(allow_null=True)


# -- views ------------------------------------------------------------------------------------------------


class Page(serializers.Serializer[Any]):
    """What part of a list is asked for."""

    offset = serializers.IntegerField(min_value=0, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=10_000, default=10_000)


class PeersView(APIView):
    """Every node you may see, those that work now first."""

    reached_by_keys = True

    @extend_schema(operation_id="listPeers", parameters=[Page], responses=PeerInfoSerializer(many=True))
    def get(self, request: Request) -> Response:
        page = Page(data=request.query_params)
        page.is_valid(raise_exception=True)
        start = page.validated_data["offset"]
        nodes = reachable_nodes(request).order_by(LIVE_FIRST, "name", "id")
        return Response(_infos(request, list(nodes[start : start + page.validated_data["limit"]])))


def _peer_view(name: str, shape: Any, tell: Any, says: str) -> type[APIView]:
    """A view of one node: `tell(request, node)` gives what `shape` describes."""

    class PeerView(APIView):
        __doc__ = says
        reached_by_keys = True

        @extend_schema(
            operation_id=name,
            responses=shape,
            parameters=[OpenApiParameter("nodeId", OpenApiTypes.STR, OpenApiParameter.PATH)],
        )
        def get(self, request: Request, nodeId: str) -> Response:
            return Response(tell(request, _peer(request, nodeId)))

    return PeerView


def _peer(request: Request, node_id: str) -> Node:
    node = reachable_nodes(request).select_related("benchmark").filter(pk=node_id.lower()).first()
    if node is None:
        raise NotFound(f"no peer {node_id} within your reach")
    return node


def _infos(request: Request, nodes: list[Node]) -> list[dict[str, Any]]:
    addresses = presence.peers([node.pk for node in nodes if may_see_private(request, node)])
    return [
        {
            "nodeId": node.pk,
            "nodeName": node.name,
            "peerAddr": addresses.get(node.pk) or "",
            "tags": [node.state, *node.runtimes],
        }
        for node in nodes
    ]


def _details(request: Request, node: Node) -> dict[str, Any]:
    there = Assignment.objects.filter(
        node=node,
        state=AssignmentState.ACTIVE,
        replica__service__deployment__team__in=reachable_teams(request),
    )
    sessions = [_session(each) for each in there.select_related("agreement", "replica__service")]
    return _infos(request, [node])[0] | {"sessions": sessions}


def _session(assignment: Assignment) -> dict[str, Any]:
    return {
        "id": str(assignment.pk),
        "name": assignment.replica.name,
        "status": STATUS.get(RunState(assignment.observed), "running") if assignment.observed else "pending",
        "tags": [assignment.agreement.runtime],
        "note": assignment.agreement.image,
    }


def _route(address: str, name: str, shape: Any, tell: Any, says: str) -> URLPattern:
    view = _peer_view(name, shape, tell, says)
    return path(f"peers/<str:nodeId>{address}", view.as_view(), name=f"api-node-{name}")


def _of(part: Any) -> Any:
    return lambda request, node: part(node)


peers_urlpatterns = [
    path("peers", PeersView.as_view(), name="api-node-peers"),
    _route("", "peerDetails", PeerDetailsSerializer, _details, "One node, and what your teams run there."),
    _route("/inf/storage", "peerStorage", StorageSerializer, _of(hardware.storage), "Its disk."),
    _route("/inf/cpu", "peerCpu", CpuSerializer, _of(hardware.cpu), "Its processor."),
    _route("/inf/mem", "peerMem", MemSerializer, _of(hardware.mem), "Its memory."),
    _route("/inf/os", "peerOs", OsSerializer, _of(hardware.os), "Its operating system."),
    _route("/inf/gpu", "peerGpu", GpuSerializer, _of(hardware.gpu), "Its graphics cards."),
    _route("/inf/net", "peerNet", NetSerializer, _of(hardware.net), "Its network, and its way to the Queen."),
    _route("/hardware", "peerHardware", HardwareSerializer, _of(hardware.hardware), "All of that at once."),
]
