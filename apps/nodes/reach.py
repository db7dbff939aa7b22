"""Which nodes a person may see: all that take work, as on any market, and their own in every state."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from apps.nodes.models import Node, NodeState


def reachable_nodes(request: Any) -> QuerySet[Node]:
    """What concerns the owner alone (stats, reasons, enrolments) is left out where it is shown."""
    if not request.user.is_authenticated:
        return Node.objects.none()
    public = Q(approved_at__isnull=False) & ~Q(state=NodeState.BANNED)
    return Node.objects.filter(public | Q(owner=request.user.pk))
