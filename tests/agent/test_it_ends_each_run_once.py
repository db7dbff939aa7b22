"""A run that has two reasons to end is cleared away once: what it leaves may belong to the next by then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from eth_account import Account

from agent import clock
from agent.bookkeeper import Bookkeeper
from agent.config import Config, Rent
from agent.journal import Journal
from agent.keeper import Keeper
from agent.protocol import Assignment, RunState, Workload
from agent.rules.judge import judge_for
from agent.runtimes.base import Counters, Order, Run, Status
from agent.slots import WantedSet

GIVEN = Assignment(
    assignment_id="a1",
    agreement_id="g1",
    replica="web-1",
    generation=1,
    lease_s=600,
    workload=Workload(image="i", runtime="slow", cpu_threads=Decimal(1), mem_gib=Decimal(1)),
)


class SlowRuntime:
    """A double, for no real runtime can be held in the middle of a call."""

    def __init__(self) -> None:
        self.may_look, self.may_remove = asyncio.Event(), asyncio.Event()
        self.removing = asyncio.Event()
        self.alive = True
        self.removed: list[str] = []

    async def prepare(self, workload: Workload) -> None: ...

    async def start(self, order: Order) -> Run:
        return Run(run_id="r1", assignment_id="a1", agreement_id="g1", runtime="slow")

    async def renew(self, run: Run, lease_until_s: float) -> None: ...

    async def adopt(self) -> list[Run]:
        return []

    async def status(self, run: Run) -> Status:
        await self.may_look.wait()
        return Status(alive=self.alive, reason="" if self.alive else "exited with status 1")

    async def usage(self, run: Run) -> Counters:
        return Counters()

    async def stop(self, run: Run, grace_s: float) -> None:
        self.alive = False

    async def remove(self, run: Run) -> None:
        self.removing.set()
        await self.may_remove.wait()
        self.removed.append(run.run_id)


@pytest.fixture
async def runtime() -> SlowRuntime:
    return SlowRuntime()


@pytest.fixture
async def keeper(runtime: SlowRuntime, tmp_path: Path) -> AsyncIterator[Keeper]:
    config = Config(
        url="http://q", name="b", advertise="h", rent=Rent(threads=Decimal(1), mem_gib=Decimal(1))
    )
    journal, key = Journal(tmp_path / "journal.sqlite3"), Account.from_key(b"\x07" * 32)
    keeper = Keeper(
        runtimes={"slow": runtime},  # type: ignore[dict-item]
        journal=journal,
        books=Bookkeeper(journal=journal, key=key, config=config, now_ms=clock.wall_ms),
        judge=judge_for(config, tmp_path),
        node_id="0x1",
        advertise="h",
        on_change=lambda: None,
    )
    life = asyncio.create_task(keeper.run())
    keeper.tell(WantedSet([GIVEN]))
    yield keeper
    life.cancel()
    with suppress(asyncio.CancelledError):
        await life
    journal.close()


async def until(keeper: Keeper, state: RunState) -> None:
    async with asyncio.timeout(10):
        while [each.state for each in keeper.observed()] != [state]:
            await asyncio.sleep(0)


async def everything_said() -> None:
    """Every task that could go on has gone on."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_what_is_to_stop_while_it_is_cleared_away(keeper: Keeper, runtime: SlowRuntime) -> None:
    runtime.alive = False
    runtime.may_look.set()
    async with asyncio.timeout(10):
        await runtime.removing.wait()
    keeper.tell(WantedSet([]))
    await until(keeper, RunState.STOPPING)
    runtime.may_remove.set()
    await until(keeper, RunState.STOPPED)
    await everything_said()
    assert runtime.removed == ["r1"]


@pytest.mark.parametrize("looks_first", [True, False])
async def test_what_is_found_dead_while_it_is_stopped(
    keeper: Keeper, runtime: SlowRuntime, looks_first: bool
) -> None:
    """By a look that began before the stop and ends before, or after, all is over."""
    await until(keeper, RunState.RUNNING)
    keeper.tell(WantedSet([]))
    async with asyncio.timeout(10):
        await runtime.removing.wait()
    for may in (runtime.may_look, runtime.may_remove)[:: 1 if looks_first else -1]:
        may.set()
        await everything_said()
    await until(keeper, RunState.STOPPED)
    assert runtime.removed == ["r1"]
