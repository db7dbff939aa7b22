"""A wanted set that fits into a frame: what the Bee must refuse would have it dial again for ever."""

from __future__ import annotations

import logging
from itertools import accumulate
from typing import TypeVar

import msgspec

from agent.protocol import MAX_FRAME_BYTES, Assignment, Message, Part, Wanted, encode

logger = logging.getLogger("hive.switchboard")

P = TypeVar("P", bound=Part)

SPARE_BYTES = 1024
"""For the revision, which is known later."""


def frame_bytes(message: Message) -> int:
    return len(encode(message).encode())


def fitting(wanted: Wanted, *, node_id: str, before: Wanted | None) -> Wanted:
    """Without what doesn't fit: leases go first, then agreements to sign, then proposals, the oldest of each.

    Of the leases, what was sent already stays before the oldest. What is left out times out where it is and
    finds another node. When the rest alone is too large, or no lease fits, the set is returned as it is:
    wanting nothing to run would be worse than saying nothing.
    """
    if (size := frame_bytes(wanted)) <= MAX_FRAME_BYTES - SPARE_BYTES:
        return wanted
    rest = frame_bytes(msgspec.structs.replace(wanted, assignments=[], agreements=[], proposals=[]))
    room = MAX_FRAME_BYTES - SPARE_BYTES - rest
    kept = _kept(wanted.assignments, room=room, before=before)
    if room < 0 or (wanted.assignments and not kept):
        return wanted
    room -= sum(map(_bytes, kept))
    agreements = _first(wanted.agreements, room=room)
    proposals = _first(wanted.proposals, room=room - sum(map(_bytes, agreements)))
    fitted = msgspec.structs.replace(wanted, assignments=kept, agreements=agreements, proposals=proposals)
    logger.error(
        "node %s: its wanted set has %d bytes, at most %d are taken: %s are left out; "
        "cordon the node, or give its services smaller environments",
        node_id,
        size,
        MAX_FRAME_BYTES,
        _left_out(wanted, fitted),
    )
    return fitted


def _left_out(wanted: Wanted, fitted: Wanted) -> str:
    kinds = ("assignments", "agreements", "proposals")
    counts = [(kind, len(getattr(wanted, kind)), len(getattr(fitted, kind))) for kind in kinds]
    return " and ".join(f"{had - has} of {had} {kind}" for kind, had, has in counts if had > has)


def _first(parts: list[P], *, room: int) -> list[P]:
    """As many of the first as there is room for."""
    taken = accumulate(map(_bytes, parts))
    return [part for part, so_far in zip(parts, taken, strict=True) if so_far <= room]


def _bytes(part: Part) -> int:
    """With the comma after it."""
    return len(msgspec.json.encode(part)) + 1


def _kept(assignments: list[Assignment], *, room: int, before: Wanted | None) -> list[Assignment]:
    """In the order given, which is newest first."""
    known = {one.assignment_id for one in before.assignments} if before else set()
    kept: set[str] = set()
    oldest_first = assignments[::-1]
    for one in sorted(oldest_first, key=lambda one: one.assignment_id not in known):
        if (size := _bytes(one)) <= room:
            kept.add(one.assignment_id)
            room -= size
    return [one for one in assignments if one.assignment_id in kept]
