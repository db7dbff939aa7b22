"""Sending the wanted sets that are due: gathered for many nodes at once, sent to each as fast as it reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from agent.protocol import Refused, Wanted
from hive_portal.database import in_database
from hive_portal.wanted import wanted_for_all

logger = logging.getLogger("hive.switchboard")

IDLE_GATHER_S = 1.0
"""So long the heartbeats of idle nodes wait together; what a lost hint told of is found out then."""
MOST_AT_ONCE = 500
"""Nodes for which wanted sets are gathered together; a hive of thousands that asks at once waits in turns."""


class Informed(Protocol):
    """What the informer needs of a link."""

    told: Wanted | None
    """What was sent last."""

    @property
    def is_idle(self) -> bool:
        """Nothing is wanted of its node, and the node knows it."""

    def inform(self, message: Wanted | Refused) -> None:
        """Send it, without waiting for a Bee that reads slowly."""


class Informer:
    """For the links of one process, which it finds in `links` by node id."""

    def __init__(self, links: Mapping[str, Informed]) -> None:
        self._links = links
        self._due: dict[str, None] = {}
        """In the order in which they were asked for; many askings of one node are one."""
        self._asked = asyncio.Event()
        self._idle: set[str] = set()
        self._later: asyncio.TimerHandle | None = None

    def refresh(self, node_ids: Iterable[str]) -> None:
        """Have their wanted sets sent soon; nodes that have no link here are passed over."""
        self._due.update((node_id, None) for node_id in node_ids if node_id in self._links)
        if self._due:
            self._asked.set()

    def answer(self, node_ids: Iterable[str]) -> None:
        """These nodes spoke: soon for those that have something to do, for the idle ones once a second."""
        idle = {node_id for node_id in node_ids if (link := self._links.get(node_id)) and link.is_idle}
        self.refresh(node_id for node_id in node_ids if node_id not in idle)
        self._idle |= idle
        if self._idle and self._later is None:
            self._later = asyncio.get_running_loop().call_later(IDLE_GATHER_S, self._refresh_idle)

    def _refresh_idle(self) -> None:
        self._later = None
        self.refresh(self._idle)
        self._idle.clear()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._asked.wait()
            await self._inform(self._turn())

    def _turn(self) -> list[str]:
        turn = list(self._due)[:MOST_AT_ONCE]
        for node_id in turn:
            del self._due[node_id]
        if not self._due:
            self._asked.clear()
        return turn

    async def _inform(self, node_ids: list[str]) -> None:
        told = {node_id: self._links[node_id].told for node_id in node_ids if node_id in self._links}
        if not told:
            return  # they all hung up meanwhile
        for node_id, message in (await _gathered(told)).items():
            # Not a newer link that came meanwhile and was told already.
            if (link := self._links.get(node_id)) and link.told is told[node_id]:
                link.inform(message)


async def _gathered(told: Mapping[str, Wanted | None]) -> dict[str, Wanted | Refused]:
    """All together; if that fails, one by one, so that one node's trouble costs the others nothing.

    What can't be gathered is left out: the next heartbeat asks again.
    """
    try:
        return await in_database(wanted_for_all, told)
    except Exception:
        [first, *others] = told
        logger.warning(
            "wanted sets of %s and %d more were not gathered", first, len(others), exc_info=not others
        )
        if not others:
            return {}
    alone = [await _gathered({node_id: before}) for node_id, before in told.items()]
    return {node_id: message for each in alone for node_id, message in each.items()}
