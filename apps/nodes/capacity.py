"""A node's capacity is sold once: the claim is one conditional UPDATE, backed by a CHECK constraint."""

from __future__ import annotations

from dataclasses import asdict

from django.db.models import F

from apps.nodes.models import Node, NodeState, Scheduling
from apps.nodes.sizes import Size


def claim(*, node_id: str, size: Size) -> bool:
    """Take this much of the node if it is there, approved, open and has as much left; False otherwise.

    Call it inside the transaction that writes what it is claimed for: a rollback gives it back.
    """
    takes_new = Node.objects.filter(
        pk=node_id, approved_at__isnull=False, state=NodeState.ONLINE, scheduling=Scheduling.OPEN
    )
    asked = asdict(size)
    enough_left = takes_new.filter(
        **{f"{what}__gte": F(f"{what}_claimed") + much for what, much in asked.items()}
    )
    claimed = enough_left.update(
        **{f"{what}_claimed": F(f"{what}_claimed") + much for what, much in asked.items()}
    )
    return claimed == 1


def release(*, node_id: str, size: Size) -> None:
    """Give back what was claimed, whatever the node's state. Giving back more is an IntegrityError."""
    given_back = {f"{what}_claimed": F(f"{what}_claimed") - much for what, much in asdict(size).items()}
    Node.objects.filter(pk=node_id).update(**given_back)
