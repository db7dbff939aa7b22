"""Many ask within a moment, and one call answers them all: thousands of Bees that come back at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from hive_portal.database import in_database

logger = logging.getLogger("hive.switchboard")

MOST_AT_ONCE = 100

Question = TypeVar("Question")
Reply = TypeVar("Reply")


class Gathering(Generic[Question, Reply]):
    """While one call is under way, those who come wait together for the next; who comes alone needn't wait.

    `answer` runs in a database thread and replies to each question, in their order.
    """

    def __init__(self, answer: Callable[[list[Question]], list[Reply]]) -> None:
        self._answer = answer
        self._waiting: list[tuple[Question, asyncio.Future[Reply]]] = []
        self._working: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Reply:
        """Raises what `answer` raises for this question when it is asked alone."""
        reply = asyncio.get_running_loop().create_future()
        self._waiting.append((question, reply))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await reply

    async def _work(self) -> None:
        while self._waiting:
            turn, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            await self._reply(turn)
        self._working = None

    async def _reply(self, turn: list[tuple[Question, asyncio.Future[Reply]]]) -> None:
        """All together; if that fails, one by one, so that one's trouble is nobody else's."""
        try:
            replies = await in_database(self._answer, [question for question, _ in turn])
        except Exception as error:
            if len(turn) == 1:
                return _fail(turn[0][1], error)
            logger.warning("%d together failed, taking them apart: %r", len(turn), error)
            for one in turn:
                await self._reply([one])
        else:
            for (_, waiting), reply in zip(turn, replies, strict=True):
                if not waiting.done():  # who asked may have gone
                    waiting.set_result(reply)


def _fail(waiting: asyncio.Future[Reply], error: Exception) -> None:
    if not waiting.done():
        waiting.set_exception(error)
