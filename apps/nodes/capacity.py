"""A node's capacity is sold once: the claim is one conditional UPDATE, backed by a CHECK constraint."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import F

from apps.nodes.models import Node, NodeState, Scheduling


def claim(*, node_id: str, cpu_threads: Decimal, mem_gib: Decimal) -> bool:
    """Take this much of the node if it is there, approved, open and has as much left; False otherwise.

    Call it inside the transaction that writes what it is claimed for: a rollback gives it back.
    """
    takes_new = Node.objects.filter(
        pk=node_id, approved_at__isnull=False, state=NodeState.ONLINE, scheduling=Scheduling.OPEN
    )
    enough_left = takes_new.filter(
        cpu_threads__gte=F("cpu_threads_claimed") + cpu_threads, mem_gib__gte=F("mem_gib_claimed") + mem_gib
    )
    claimed = enough_left.update(
        cpu_threads_claimed=F("cpu_threads_claimed") + cpu_threads,
        mem_gib_claimed=F("mem_gib_claimed") + mem_gib,
    )
    return claimed == 1


def release(*, node_id: str, cpu_threads: Decimal, mem_gib: Decimal) -> None:
    """Give back what was claimed, whatever the node's state. Giving back more is an IntegrityError."""
    Node.objects.filter(pk=node_id).update(
        cpu_threads_claimed=F("cpu_threads_claimed") - cpu_threads,
        mem_gib_claimed=F("mem_gib_claimed") - mem_gib,
    )
