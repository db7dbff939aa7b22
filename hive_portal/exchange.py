"""The links of this process, the inbox they share, and the word to the database that somebody listens."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol
from uuid import UUID

from apps.nodes.listeners import listens, stopped_listening
from hive_portal.database import in_database
from hive_portal.inbox import Inbox
from hive_portal.probing import Probing

logger = logging.getLogger("hive.switchboard")

LISTENING_EVERY_S = 1.0


class Link(Protocol):
    """What the exchange needs of a link."""

    def refresh(self) -> None:
        """Send the wanted set soon."""


class Exchange:
    """Lives as long as the process serves: `start` when it begins to listen, `stop` when it ends in order."""

    def __init__(self) -> None:
        self.inbox = Inbox(self._answer)
        self.probing = Probing()
        self._links: dict[str, Link] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self.inbox.run(), name="inbox"),
            asyncio.create_task(_listen(), name="listening"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def add(self, node_id: str, link: Link) -> None:
        self._links[node_id] = link

    def remove(self, node_id: str, link: Link) -> None:
        """A newer link of the same node stays."""
        if self._links.get(node_id) is link:
            del self._links[node_id]

    def _answer(self, node_ids: set[str]) -> None:
        for node_id in node_ids & self._links.keys():
            self._links[node_id].refresh()


_running: dict[asyncio.AbstractEventLoop, Exchange] = {}


def exchange() -> Exchange:
    """That of this process (of this event loop, to be exact), started on first use."""
    loop = asyncio.get_running_loop()
    if loop not in _running:
        _running[loop] = Exchange()
        _running[loop].start()
    return _running[loop]


async def stop_exchange() -> None:
    running = _running.pop(asyncio.get_running_loop(), None)
    if running is not None:
        await running.stop()


async def _listen() -> None:
    """Say about once a second that this process listens, and when it stops to."""
    listener_id: UUID | None = None
    try:
        while True:
            try:
                listener_id = await in_database(listens, listener_id)
            except Exception:  # the database is away: then nobody's silence counts, which is right
                logger.exception("could not say that this process listens")
            await asyncio.sleep(LISTENING_EVERY_S)
    finally:
        if listener_id is not None:
            await in_database(stopped_listening, listener_id)
