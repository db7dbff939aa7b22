"""Pages for the owners of Bees: all of theirs, and one of them."""

from __future__ import annotations

from functools import reduce
from operator import add

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from apps.billing.models import Dispute, DisputeState
from apps.billing.providers.earnings import NOTHING, earnings_of
from apps.nodes.models import Node
from apps.nodes.reach import LIVE_FIRST, own_nodes
from hive_portal.owners.sheets import agreements_of, sheets_of

PAGE = 25


@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Their own alone, for operators too."""
    mine = Node.objects.filter(owner=request.user.pk).order_by(LIVE_FIRST, "name", "pk")
    earned = earnings_of(list(mine.values_list("pk", flat=True)))
    page = Paginator(mine.select_related("benchmark"), PAGE).get_page(request.GET.get("page"))
    context = {
        "bees": sheets_of(list(page)),
        "page": page,
        "earned": reduce(add, earned.values(), NOTHING),
        "disputes": Dispute.objects.filter(
            agreement__node__owner=request.user.pk, state=DisputeState.WITH_OWNER
        ).count(),
    }
    return render(request, "owners/index.html", context)


@login_required
def detail(request: HttpRequest, node_id: str) -> HttpResponse:
    """For its owner and for operators."""
    nodes = own_nodes(request).select_related("benchmark", "owner")
    node = get_object_or_404(nodes, pk=node_id.lower())
    [bee] = sheets_of([node])
    return render(
        request, "owners/detail.html", {"bee": bee, "node": node, "agreements": agreements_of(node)}
    )
