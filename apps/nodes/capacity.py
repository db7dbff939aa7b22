"""A node's capacity is sold once: the claim is one conditional UPDATE, backed by a CHECK constraint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple, fields

from django.db import connection
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


def claim_each(asked: Mapping[str, Size]) -> set[str]:
    """The same of many nodes, in one statement. Returns the ids of those of which it was taken.

    Rows are locked in the order of their ids, so that nobody waits in a circle.
    """
    if not asked:
        return set()
    sizes = zip(*(astuple(size) for size in asked.values()), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_EACH, [list(asked), *map(list, sizes), NodeState.ONLINE, Scheduling.OPEN])
        return {node_id for (node_id,) in cursor.fetchall()}


_SIZES = [each.name for each in fields(Size)]
_CLAIM_EACH = f"""
    UPDATE nodes_node AS node
    SET {", ".join(f"{what}_claimed = node.{what}_claimed + asked.{what}" for what in _SIZES)}
    FROM (
        SELECT asked.* FROM unnest(%s::text[], %s::numeric[], %s::numeric[], %s::numeric[], %s::int[])
            AS asked(id, {", ".join(_SIZES)})
        JOIN nodes_node USING (id) ORDER BY id FOR NO KEY UPDATE OF nodes_node
    ) AS asked
    WHERE node.id = asked.id AND node.approved_at IS NOT NULL AND node.state = %s AND node.scheduling = %s
        AND {" AND ".join(f"node.{what} >= node.{what}_claimed + asked.{what}" for what in _SIZES)}
    RETURNING node.id
"""


def release(*, node_id: str, size: Size) -> None:
    """Give back what was claimed, whatever the node's state. Giving back more is an IntegrityError."""
    given_back = {f"{what}_claimed": F(f"{what}_claimed") - much for what, much in asdict(size).items()}
    Node.objects.filter(pk=node_id).update(**given_back)
