"""Where the Bees' messages wait for a moment, so that many become one batch. One per process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from agent.protocol import Observed
from hive_portal.batches import Batch, Said, take
from hive_portal.database import in_database

logger = logging.getLogger("hive.switchboard")

GATHER_S = 0.1
IDLE_GATHER_S = 0.5
"""So long a batch waits that holds nothing but heartbeats of Bees that run nothing."""


class Inbox:
    """Bounded by its shape: a batch keeps so much of each node and no more.

    `answer` is called on the loop with the nodes whose messages were taken.
    """

    def __init__(self, answer: Callable[[set[str]], None]) -> None:
        self._answer = answer
        self._batch = Batch()
        self._filled = asyncio.Event()
        self._pressing = asyncio.Event()

    def put(self, node_id: str, message: Said) -> None:
        self._batch.put(node_id, message)
        self._filled.set()
        if not isinstance(message, Observed) or message.assignments:
            self._pressing.set()

    async def run(self) -> None:
        """Empty it again and again, until cancelled; what it holds then is taken first."""
        try:
            while True:
                await self._gather()
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        batch, self._batch = self._batch, Batch()
        self._filled.clear()
        self._pressing.clear()
        if not batch.node_ids:
            return
        try:
            await in_database(take, batch)
        except Exception:  # the database is away: the Bees will say it again
            logger.exception("a batch of %d nodes was not taken", len(batch.node_ids))
        self._answer(batch.node_ids)

    async def _gather(self) -> None:
        await self._filled.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_GATHER_S - GATHER_S):
                await self._pressing.wait()
        await asyncio.sleep(GATHER_S)
