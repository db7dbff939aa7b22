"""A wanted set that fits into a frame: what the Bee must refuse would have it dial again for ever."""

from __future__ import annotations

import logging

import msgspec

from agent.protocol import MAX_FRAME_BYTES, Assignment, Message, Wanted, encode

logger = logging.getLogger("hive.switchboard")

SPARE_BYTES = 1024
"""For the revision, which is known later."""


def frame_bytes(message: Message) -> int:
    return len(encode(message).encode())


def fitting(wanted: Wanted, *, node_id: str, before: Wanted | None) -> Wanted:
    """Without the assignments that don't fit; what was sent already stays, then the oldest.

    The others time out where they are and find another node. When the rest alone is too large the set is
    returned as it is: wanting nothing to run would be worse than saying nothing.
    """
    if (size := frame_bytes(wanted)) <= MAX_FRAME_BYTES - SPARE_BYTES:
        return wanted
    rest = frame_bytes(msgspec.structs.replace(wanted, assignments=[]))
    kept = _kept(wanted.assignments, room=MAX_FRAME_BYTES - SPARE_BYTES - rest, before=before)
    if not kept:
        return wanted
    logger.error(
        "node %s: its wanted set has %d bytes, at most %d are taken: %d of %d assignments are left out; "
        "cordon the node, or give its services smaller environments",
        node_id,
        size,
        MAX_FRAME_BYTES,
        len(wanted.assignments) - len(kept),
        len(wanted.assignments),
    )
    return msgspec.structs.replace(wanted, assignments=kept)


def _kept(assignments: list[Assignment], *, room: int, before: Wanted | None) -> list[Assignment]:
    """In the order given, which is newest first."""
    known = {one.assignment_id for one in before.assignments} if before else set()
    kept: set[str] = set()
    oldest_first = assignments[::-1]
    for one in sorted(oldest_first, key=lambda one: one.assignment_id not in known):
        if (size := len(msgspec.json.encode(one)) + 1) <= room:
            kept.add(one.assignment_id)
            room -= size
    return [one for one in assignments if one.assignment_id in kept]
