"""Hints to the processes that hold the Bees' links. They may be lost: the next heartbeat's answer repairs it.

Every such process listens in one group and picks out what concerns links of its own: thousands of groups
would cost each process a subscription and a queue for each of its links.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from channels.layers import get_channel_layer
from django.db import transaction

from agent.protocol import OpenStream, encode
from apps.nodes.telling import tell

LINKS = "links"
"""The channel-layer group of those who hold links."""


class Nudge(TypedDict):
    type: Literal["nudge"]
    nodes: list[str]


class Replaced(TypedDict):
    """A newer link took over from the one with this channel."""

    type: Literal["replaced"]
    channel: str


class Opening(TypedDict):
    type: Literal["open_stream"]
    node: str
    frame: str
    """An `OpenStream`, ready to be sent."""


Hint = Nudge | Replaced | Opening


def nudge(*node_ids: str) -> None:
    """Once this transaction is committed, have the nodes' wanted sets sent again."""
    hint = Nudge(type="nudge", nodes=sorted(set(node_ids)))
    if node_ids:
        # Robust: a hint that can't be sent must not fail what it hints at.
        transaction.on_commit(lambda: tell([LINKS], dict(hint)), robust=True)


def end_replaced(channel: str) -> None:
    """Once this transaction is committed, have the link with this channel ended for good."""
    hint = Replaced(type="replaced", channel=channel)
    transaction.on_commit(lambda: tell([LINKS], dict(hint)), robust=True)


async def ask_for_stream(node_id: str, request: OpenStream) -> None:
    """Ask the Bee to dial a second WebSocket; the caller waits for it with a deadline of its own."""
    hint = Opening(type="open_stream", node=node_id, frame=encode(request))
    await get_channel_layer().group_send(LINKS, hint)
