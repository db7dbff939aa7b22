"""A shell in a replica: over a WebSocket of its own."""

from __future__ import annotations

from agent.protocol.base import Message


class OpenStream(Message):
    """Queen: dial a WebSocket at `/bee/stream/<stream_id>/` and serve SSH for this assignment on it."""

    stream_id: str
    assignment_id: str
    generation: int
