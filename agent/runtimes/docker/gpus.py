"""Which GPUs a container gets: so many as are rented, none that another container of the Hive's has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

from agent.gpus import Gpu
from agent.runtimes.base import RuntimeFault
from agent.runtimes.docker.container import ASSIGNMENT, GPUS
from agent.runtimes.docker.engine import Engine


class Gpus:
    """What is given away stands on the containers themselves: nothing is lost with the agent."""

    def __init__(self, engine: Engine, there: Sequence[Gpu]) -> None:
        self._engine, self._there = engine, [each.id for each in there]
        self._choosing = asyncio.Lock()

    @asynccontextmanager
    async def chosen(self, count: int, assignment_id: str) -> AsyncIterator[list[str]]:
        """Ids; nobody else chooses until the container is made. Raises RuntimeFault when too few are free."""
        if not count:
            yield []
            return
        async with self._choosing:
            containers = await self._engine.ask(
                self._engine.api.containers, all=True, filters={"label": [GPUS]}
            )
            yield choose(count, self._there, held(containers, except_for=assignment_id))


def held(containers: Collection[dict[str, Any]], *, except_for: str = "") -> set[str]:
    """By whatever there is of any Bee on this machine, but for what that assignment left: it makes room."""
    labels = [each["Labels"] for each in containers if each["Labels"].get(ASSIGNMENT) != except_for]
    return {id for each in labels for id in each.get(GPUS, "").split(",") if id}


def choose(count: int, there: Sequence[str], taken: Collection[str]) -> list[str]:
    """The first that are free. Raises RuntimeFault."""
    free = [id for id in there if id not in taken]
    if len(free) < count:
        raise RuntimeFault(f"{count} GPUs are asked, {len(free)} of {len(there)} are free")
    return free[:count]
