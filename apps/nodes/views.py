"""Pages of the nodes: who is on the market, one node, and how another Bee joins."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from apps.nodes import hardware
from apps.nodes.models import Enrolment, Node, NodeState, Offer, OfferState
from apps.nodes.reach import LIVE_FIRST, may_approve, may_see_private, reachable_nodes
from apps.teams.audit import AuditLine


@login_required
def index(request: HttpRequest) -> HttpResponse:
    return _page(request)


@login_required
def detail(request: HttpRequest, node_id: str) -> HttpResponse:
    node = get_object_or_404(_with_offers(request).select_related("benchmark"), pk=node_id.lower())
    sees_all = may_see_private(request, node)
    context = {
        "node": node,
        "hardware": hardware.hardware(node),
        "is_mine": node.owner_id == request.user.pk,
        "sees_all": sees_all,
        "events": _events(node) if sees_all else [],
    }
    return render(request, "nodes/detail.html", context)


@login_required
@never_cache
@require_POST
def enrol(request: HttpRequest) -> HttpResponse:
    """A new token, shown once with the line that uses it. An operator's may approve the node at once."""
    approves = may_approve(request.user) and "approves" in request.POST
    enrolment, text = Enrolment.issue(owner=request.user, approves=approves)
    command = f"hive agent join {settings.HIVE_PORTAL_URL} {text}"
    waits = not approves and settings.HIVE_APPROVE_NODES == "hand"
    return _page(request, issued=enrolment, command=command, waits=waits)


def _page(request: HttpRequest, **extra: Any) -> HttpResponse:
    nodes = list(_with_offers(request))
    open_enrolments = Enrolment.objects.filter(
        owner=request.user.pk, used_at=None, expires_at__gt=timezone.now()
    )
    context = {
        "nodes": nodes,
        "mine": sum(node.owner_id == request.user.pk for node in nodes),
        "online": sum(node.state == NodeState.ONLINE for node in nodes),
        "cpu_threads": sum(node.cpu_threads for node in nodes if node.state == NodeState.ONLINE),
        "cpu_threads_claimed": sum(
            node.cpu_threads_claimed for node in nodes if node.state == NodeState.ONLINE
        ),
        "mem_gib": sum(node.mem_gib for node in nodes if node.state == NodeState.ONLINE),
        "mem_gib_claimed": sum(node.mem_gib_claimed for node in nodes if node.state == NodeState.ONLINE),
        "enrolments": open_enrolments,
        "may_approve": may_approve(request.user),
    }
    return render(request, "nodes/index.html", context | extra)


def _with_offers(request: HttpRequest) -> QuerySet[Node]:
    live = Prefetch("offers", Offer.objects.filter(state=OfferState.LIVE), to_attr="live_offers")
    return (
        reachable_nodes(request).select_related("owner").prefetch_related(live).order_by(LIVE_FIRST, "name")
    )


def _events(node: Node) -> QuerySet[AuditLine]:
    return AuditLine.objects.filter(noun="node", noun_id=node.pk)[:20]
