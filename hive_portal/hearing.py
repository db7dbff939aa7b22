"""What others ask of this process's links: one subscription to the channel layer, however many links."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from channels.layers import get_channel_layer

from apps.nodes.links import LINKS, Hint

logger = logging.getLogger("hive.switchboard")

AGAIN_AFTER_S = 1.0


async def hear(obey: Callable[[Hint], None]) -> None:
    """Hand on each hint, until cancelled. One that is missed while the subscription is made anew is lost."""
    layer = get_channel_layer()
    while True:
        try:
            channel = await layer.new_channel()
            await layer.group_add(LINKS, channel)
            while True:
                obey(await layer.receive(channel))
        except Exception:
            logger.exception("hints to links are not heard, trying again")
            await asyncio.sleep(AGAIN_AFTER_S)
