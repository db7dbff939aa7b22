"""The links of this process, what they share, and the word to the database that somebody listens."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol
from uuid import UUID

from apps.nodes.links import Hint
from apps.nodes.listeners import listens, stopped_listening
from hive_portal.admission import admit, leave, note_times
from hive_portal.database import in_database
from hive_portal.doorstep import Doorstep
from hive_portal.gathering import Gathering
from hive_portal.hearing import hear
from hive_portal.inbox import Inbox
from hive_portal.informing import Informed, Informer
from hive_portal.probing import Probing

logger = logging.getLogger("hive.switchboard")

LISTENING_EVERY_S = 1.0


class Link(Informed, Protocol):
    """What the exchange needs of a link."""

    channel: str

    def hand_over(self, frame: str) -> None:
        """Send a frame that is ready."""

    def replaced(self) -> None:
        """A newer link of the same node took over."""


class Exchange:
    """Lives as long as the process serves: `start` when it begins to listen, `stop` when it ends in order."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}
        """By node id: those that speak for a node."""
        self._channels: dict[str, Link] = {}
        """By channel: also those that are only being admitted."""
        self.informer = Informer(self._links)
        self.inbox = Inbox(self.informer.answer)
        self.probing = Probing()
        self.doorstep = Doorstep()
        self.arrivals = Gathering(admit)
        self.departures = Gathering(leave)
        self.timed = Gathering(note_times)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self.inbox.run(), name="inbox"),
            asyncio.create_task(self.informer.run(), name="informer"),
            asyncio.create_task(hear(self._obey), name="hints"),
            asyncio.create_task(_listen(), name="listening"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def expect(self, link: Link) -> None:
        """It is about to be admitted; from now on it can be told that a newer one replaced it."""
        self._channels[link.channel] = link

    def add(self, node_id: str, link: Link) -> None:
        """It speaks for this node."""
        self._links[node_id] = link
        self.informer.refresh([node_id])

    def remove(self, node_id: str | None, link: Link) -> None:
        """A newer link of the same node stays."""
        self._channels.pop(link.channel, None)
        if node_id is not None and self._links.get(node_id) is link:
            del self._links[node_id]

    def _obey(self, hint: Hint) -> None:
        """Whatever concerns no link of this process is another's."""
        if hint["type"] == "nudge":
            self.informer.refresh(hint["nodes"])
        elif hint["type"] == "replaced":
            if link := self._channels.get(hint["channel"]):
                link.replaced()
        elif link := self._links.get(hint["node"]):
            link.hand_over(hint["frame"])


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
