"""Pages that no single room owns: the way in, a team's overview, and the health of the portal."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from apps.billing.budgets.runway import runway_of
from apps.deployments.showing import sheets_of
from apps.money import ZERO
from apps.nodes.models import Node, NodeState
from apps.nodes.reach import LIVE_FIRST, reachable_nodes
from apps.teams.audit import ROUTINE
from apps.teams.choice import choose_team, current_team, membership
from apps.teams.models import AuditLine, Team


@login_required
def dashboard(request: HttpRequest) -> HttpResponse:
    """The overview of the team last looked at."""
    team = current_team(request)
    if team is None:
        return render(request, "portal/no_team.html")
    return redirect("team", slug=team.slug)


@login_required
def team(request: HttpRequest, slug: str) -> HttpResponse:
    chosen = choose_team(request, slug)
    context = _money(chosen) | {
        "team": chosen,
        "mine": membership(request, chosen),
        "nodes": list(reachable_nodes(request).exclude(state=NodeState.BANNED).order_by(LIVE_FIRST, "name")),
        "events": AuditLine.objects.filter(team=chosen).exclude(noun__in=ROUTINE)[:8],
    }
    context["nodes_online"] = sum(_is_online(node) for node in context["nodes"])
    return render(request, "portal/team.html", context)


def _money(team: Team) -> dict[str, Any]:
    sheets = sheets_of(team.deployments.select_related("cap").order_by("wanted", "name"))
    budget = team.budgets.select_related("available", "held").order_by("id").first()
    per_hour = sum((sheet.price_per_hour_glm for sheet in sheets), ZERO)
    return {
        "sheets": sheets,
        "budget": budget,
        "price_per_hour_glm": per_hour,
        "runway": runway_of(budget.pk) if budget else None,
    }


def _is_online(node: Node) -> bool:
    return node.state == NodeState.ONLINE


def healthz(request: HttpRequest) -> JsonResponse:
    """200 when this process answers and reaches its database, else 503; for load balancers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except DatabaseError as error:
        return JsonResponse({"status": f"no database: {error}".strip()}, status=503)
    return JsonResponse({"status": "ok"})
