"""How much a container has written, looked at now and then, for engines that can't limit it themselves.

The engine walks the container's layer for each answer, so how often it is asked depends on how long it takes.
A single file can't grow past the limit (RLIMIT_FSIZE); this is for the sum of many.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from agent.runtimes.base import Run, RuntimeFault
from agent.runtimes.docker.engine import Absent, Engine

log = logging.getLogger("hive.agent")

_EVERY_S, _AT_LEAST_EVERY_S = 2.0, 60.0
_SHARE = 10
"""At most one part in so many of the time goes into looking."""


class StorageWatch:
    """`overdrawn(run)` says at once what is known, and looks again in the background when it is time."""

    def __init__(self, engine: Engine, limit_bytes: int) -> None:
        """`limit_bytes` holds for runs that say nothing of their own, as those of older agents."""
        self._engine, self._limit_bytes = engine, limit_bytes
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._due_s: dict[str, float] = {}
        self._verdicts: dict[str, str] = {}

    def overdrawn(self, run: Run) -> str:
        """Why it must end; empty while it keeps within the limit, as far as is known."""
        look = self._looks.get(run.run_id)
        is_due = time.monotonic() >= self._due_s.setdefault(run.run_id, time.monotonic() + _EVERY_S)
        if is_due and (look is None or look.done()):
            limit_bytes = int(run.detail.get("storage_bytes", 0)) or self._limit_bytes
            self._looks[run.run_id] = asyncio.create_task(self._look(run.run_id, limit_bytes))
        return self._verdicts.get(run.run_id, "")

    def forget(self, run: Run) -> None:
        if look := self._looks.pop(run.run_id, None):
            look.cancel()
        self._due_s.pop(run.run_id, None)
        self._verdicts.pop(run.run_id, None)

    async def _look(self, id: str, limit_bytes: int) -> None:
        begun_s = time.monotonic()
        try:
            written = await self._written_bytes(id)
            if written > limit_bytes:
                self._verdicts[id] = (
                    f"killed: it wrote {_mib(written)} MiB, {_mib(limit_bytes)} MiB are for it"
                )
        except RuntimeFault as fault:
            log.debug("what %s has written can't be seen: %s", id, fault)
        self._due_s[id] = next_look_s(begun_s, time.monotonic())

    async def _written_bytes(self, id: str) -> int:
        """Its own layer, and the volumes that its image asks for."""
        ask, api = self._engine.ask, self._engine.api
        listed = await ask(api.containers, all=True, size=True, filters={"id": id})
        if not listed:
            raise Absent(id)
        volumes = {each.get("Name") for each in listed[0]["Mounts"] if each["Type"] == "volume"}
        sizes = volume_sizes(await ask(api.df)) if volumes else {}
        return int(listed[0].get("SizeRw") or 0) + sum(sizes.get(name, 0) for name in volumes)


def volume_sizes(usage: dict[str, Any]) -> dict[str, int]:
    """From `GET /system/df`; a volume that the engine has not measured counts nothing."""
    volumes = usage.get("Volumes") or []
    return {each["Name"]: max(0, (each.get("UsageData") or {}).get("Size", 0)) for each in volumes}


def next_look_s(begun_s: float, ended_s: float) -> float:
    """The longer a look takes, the rarer it is."""
    return ended_s + min(_AT_LEAST_EVERY_S, max(_EVERY_S, _SHARE * (ended_s - begun_s)))


def _mib(size: int) -> int:
    return size >> 20
