"""Telling groups of the channel layer from ordinary code, over one event loop that each process keeps.

A loop of its own for each call would open a new connection to Redis each time.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from channels.layers import get_channel_layer

logger = logging.getLogger("hive.nodes")

WITHIN_S = 5.0
"""Redis answers in a millisecond. What takes longer is a hint that came too late."""

AT_EXIT_S = 1.0
"""How long the end of a process, of a management command for one, waits for what is on its way."""

_starting = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def tell(groups: Iterable[str], message: dict[str, Any]) -> None:
    """Send the message to every group, soon. Never waits, never fails: a hint that is lost is logged."""
    asyncio.run_coroutine_threadsafe(_send(list(groups), message), _running_loop())


async def _send(groups: list[str], message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    try:
        async with asyncio.timeout(WITHIN_S):
            for group in groups:
                await layer.group_send(group, message)
    except Exception as error:
        logger.warning("%s was not told to %s: %r", message["type"], ", ".join(groups), error)


def _running_loop() -> asyncio.AbstractEventLoop:
    """That of this process. Started by its first use: a thread doesn't survive a fork."""
    global _loop
    with _starting:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="telling", daemon=True).start()
        return _loop


@atexit.register
def _finish() -> None:
    if _loop is not None:
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_sent(), _loop).result(AT_EXIT_S)


async def _sent() -> None:
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})


def _forget() -> None:
    """In a forked child: the loop's thread stayed with the parent, and so may have who held the lock."""
    global _loop, _starting
    _loop, _starting = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
