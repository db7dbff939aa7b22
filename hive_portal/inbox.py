"""Where the Bees' messages wait for a tenth of a second, so that many become one batch. One per process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hive_portal.batches import Batch, Said, take
from hive_portal.database import in_database

logger = logging.getLogger("hive.switchboard")

GATHER_S = 0.1


class Inbox:
    """Bounded by its shape: a batch keeps so much of each node and no more.

    `answer` is called on the loop with the nodes whose messages were taken.
    """

    def __init__(self, answer: Callable[[set[str]], None]) -> None:
        self._answer = answer
        self._batch = Batch()
        self._filled = asyncio.Event()

    def put(self, node_id: str, message: Said) -> None:
        self._batch.put(node_id, message)
        self._filled.set()

    async def run(self) -> None:
        """Empty it again and again, until cancelled; what it holds then is taken first."""
        try:
            while True:
                await self._filled.wait()
                await asyncio.sleep(GATHER_S)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        batch, self._batch = self._batch, Batch()
        self._filled.clear()
        if not batch.node_ids:
            return
        try:
            await in_database(take, batch)
        except Exception:  # the database is away: the Bees will say it again
            logger.exception("a batch of %d nodes was not taken", len(batch.node_ids))
        self._answer(batch.node_ids)
