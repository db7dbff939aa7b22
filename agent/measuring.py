"""When the Bee measures itself: soon after it joined, then once a day, while nothing runs here."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agent.machine import cpu_threads
from agent.probing import measure_way
from agent.protocol import Benchmarks

if TYPE_CHECKING:
    from agent.bee import Bee

log = logging.getLogger("hive.agent")

FIRST_AFTER_S = (10.0, 30.0)
"""After the first greeting, so that a start is not slowed down; at random, as many Bees may join at once."""
EVERY_S = (20 * 3600.0, 28 * 3600.0)
LOOK_AGAIN_S = 600.0
"""When the machine was busy, or nothing could be measured."""
PATIENCE_S = 60.0
SCRIPT = Path(__file__).with_name("benchmark.py")


class Measured:
    """The newest figures, in the Bee's home; said with each new link until the Queen surely has them."""

    def __init__(self, home: Path) -> None:
        self._path = home / "benchmarks.json"
        self.newest = self._stored()
        self._due = False

    def to_say(self) -> list[Benchmarks]:
        if not self._due or self.newest is None:
            return []
        self._due = False
        return [self.newest]

    def say_again(self) -> None:
        self._due = True

    def keep(self, measured: Benchmarks) -> None:
        """What can't be written is measured again after the next start."""
        self.newest, self._due = measured, True
        try:
            self._path.write_bytes(msgspec.json.encode(measured))
        except OSError as error:
            log.warning("%s can't be written: %s", self._path, error)

    def _stored(self) -> Benchmarks | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Benchmarks)
        except (OSError, ValueError):
            return None


async def measure_now_and_then(bee: Bee) -> None:
    """Until cancelled."""
    await bee.greeted.wait()
    while True:
        await asyncio.sleep(wait_s(bee.measured.newest, now_ms=bee.clock.now_ms()))
        while not may_measure(bee) or not await measure(bee):
            await asyncio.sleep(LOOK_AGAIN_S)


def wait_s(newest: Benchmarks | None, *, now_ms: int) -> float:
    """How long until the next measurement is due; a date to come is not believed."""
    first_s = random.uniform(*FIRST_AFTER_S)
    if newest is None or newest.at_ms > now_ms:
        return first_s
    return max(first_s, random.uniform(*EVERY_S) - (now_ms - newest.at_ms) / 1000)


def may_measure(bee: Bee) -> bool:
    return not bee.is_paused and is_idle(len(bee.keeper.runs()), os.getloadavg()[0])


def is_idle(running: int, load: float) -> bool:
    """Nothing of the Hive's runs, and the owner's own work leaves half of the machine."""
    return running == 0 and load < float(cpu_threads()) / 2


async def measure(bee: Bee) -> bool:
    """False when nothing came of it."""
    figures = await measure_machine(bee.home)
    if not figures:
        return False
    figures |= await measure_way(bee.prober)
    bee.take_measured(Benchmarks(at_ms=bee.clock.now_ms(), **figures))
    return True


async def measure_machine(home: Path) -> dict[str, float]:
    """Run `benchmark.py` in a process of its own; empty when it failed, which is logged."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return msgspec.json.decode(await _told_by_script(home), type=dict[str, float])
    except (OSError, TimeoutError, ValueError) as error:
        log.warning("the benchmark failed: %s", str(error) or f"not ready after {PATIENCE_S:g} s")
        return {}


async def _told_by_script(home: Path) -> bytes:
    """Raises OSError where the machine has no room for one more process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(SCRIPT), str(home), stdout=asyncio.subprocess.PIPE
    )
    try:
        return (await process.communicate())[0]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
