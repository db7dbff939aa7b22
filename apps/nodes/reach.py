"""Which nodes a person may see: all that take work, as on any market, and their own in every state."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from apps.nodes.models import Node, NodeState
from apps.teams.reach import person_of

LIVE_FIRST = Case(
    When(state=NodeState.ONLINE, then=Value(0)),
    When(state=NodeState.UNKNOWN, then=Value(1)),
    When(state=NodeState.PENDING, then=Value(2)),
    default=Value(3),
    output_field=IntegerField(),
)
"""Order of lists: what works now comes first."""

PUBLIC = Q(approved_at__isnull=False) & ~Q(state=NodeState.BANNED)
"""On the market, for everybody who is signed in."""


def reachable_nodes(request: Any) -> QuerySet[Node]:
    """What concerns the owner alone (stats, reasons, enrolments) is left out where it is shown."""
    if not request.user.is_authenticated:
        return Node.objects.none()
    person = person_of(request)
    return Node.objects.filter(PUBLIC | Q(owner=person) if person else PUBLIC)


def own_nodes(request: Any) -> QuerySet[Node]:
    """Those of which the person may know everything: their own; all of them for operators."""
    person = person_of(request)
    if person and request.user.is_staff:
        return Node.objects.all()
    return Node.objects.filter(owner=person)


def may_approve(user: Any) -> bool:
    """Whether this person decides which nodes take work: a member of staff who may change nodes."""
    return bool(getattr(user, "is_staff", False) and user.has_perm("nodes.change_node"))


def may_see_private(request: Any, node: Node) -> bool:
    """Whether the node is among `own_nodes`."""
    person = person_of(request)
    return person is not None and (request.user.is_staff or node.owner_id == person)
