"""Byte streams into a node: the Queen asks, the Bee dials a second WebSocket, and the two meet here.

They meet in one process, the one that asked: with several web processes the Bee's second connection must be
led to the same one, by whatever stands before them.
"""

from __future__ import annotations

import asyncio
import secrets
import socket

from agent.protocol import OpenStream
from apps.nodes.links import ask_for_stream

ANSWER_WITHIN_S = 10.0
MOST_WAITING = 200
"""More consoles than this are not opened at the same moment."""

_expected: dict[str, asyncio.Future[socket.socket]] = {}


class StreamUnavailable(Exception):
    """The text says why there is no stream into the node, for the person who wanted it."""


def new_stream_id() -> str:
    """Unguessable and good for one use: it opens the second connection, and is the console's password."""
    return secrets.token_urlsafe(32)


async def open_stream(
    node_id: str, assignment_id: str, generation: int, *, stream_id: str = ""
) -> socket.socket:
    """A connected, non-blocking socket to the console server of this assignment. Raises StreamUnavailable.

    The caller closes it; the Bee's side ends with it, and it with the Bee's side. `stream_id` comes from
    `new_stream_id`, for a caller that needs to know it.
    """
    if len(_expected) >= MOST_WAITING:
        raise StreamUnavailable("too many consoles are being opened: try again in a moment")
    stream_id = stream_id or new_stream_id()
    arrival = _expected[stream_id] = asyncio.get_running_loop().create_future()
    try:
        request = OpenStream(stream_id=stream_id, assignment_id=assignment_id, generation=generation)
        await ask_for_stream(node_id, request)
        return await asyncio.wait_for(arrival, ANSWER_WITHIN_S)
    except TimeoutError:
        reason = f"bee {node_id[:10]}… did not answer within {ANSWER_WITHIN_S:.0f} s"
        raise StreamUnavailable(reason) from None
    finally:
        _expected.pop(stream_id, None)


def meet(stream_id: str) -> socket.socket | None:
    """The Bee has dialled: its end of the stream, or None when nobody waits for this id (any longer)."""
    arrival = _expected.pop(stream_id, None)
    if arrival is None or arrival.done():
        return None
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    arrival.set_result(ours)
    return theirs
