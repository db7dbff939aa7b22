"""Hints to the process that holds a Bee's link. They may be lost: the next heartbeat's answer repairs it."""

from __future__ import annotations

from channels.layers import get_channel_layer
from django.db import transaction

from agent.protocol import OpenStream, encode
from apps.nodes.telling import tell


def group_of(node_id: str) -> str:
    """The channel-layer group in which the node's link listens."""
    return f"node.{node_id}"


def nudge(*node_ids: str) -> None:
    """Once this transaction is committed, have the nodes' wanted sets sent again."""
    groups = [group_of(node_id) for node_id in sorted(set(node_ids))]
    if groups:
        # Robust: a hint that can't be sent must not fail what it hints at.
        transaction.on_commit(lambda: tell(groups, {"type": "nudge"}), robust=True)


async def ask_for_stream(node_id: str, request: OpenStream) -> None:
    """Ask the Bee to dial a second WebSocket; the caller waits for it with a deadline of its own."""
    await get_channel_layer().group_send(group_of(node_id), {"type": "open_stream", "frame": encode(request)})
