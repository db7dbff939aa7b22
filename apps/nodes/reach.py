"""Which nodes a person may see: all that take work, as on any market, and their own in every state."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from apps.nodes.models import Node, NodeState

LIVE_FIRST = Case(
    When(state=NodeState.ONLINE, then=Value(0)),
    When(state=NodeState.UNKNOWN, then=Value(1)),
    When(state=NodeState.PENDING, then=Value(2)),
    default=Value(3),
    output_field=IntegerField(),
)
"""Order of lists: what works now comes first."""


def reachable_nodes(request: Any) -> QuerySet[Node]:
    """What concerns the owner alone (stats, reasons, enrolments) is left out where it is shown."""
    if not request.user.is_authenticated:
        return Node.objects.none()
    public = Q(approved_at__isnull=False) & ~Q(state=NodeState.BANNED)
    return Node.objects.filter(public | Q(owner=request.user.pk))
