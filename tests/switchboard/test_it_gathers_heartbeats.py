"""Heartbeats of idle Bees wait for each other; who has something to say or to do does not wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from agent.protocol import Observed, ObservedAssignment, Offers, RunState, Wanted
from hive_portal import inbox, informing
from hive_portal.batches import Batch, Said
from hive_portal.exchange import Exchange
from hive_portal.inbox import Inbox
from hive_portal.informing import Informer
from hive_portal.switchboard import Link

IDLE = Observed(revision=1, at_ms=0, assignments=[])
BUSY = Observed(
    revision=1,
    at_ms=0,
    assignments=[ObservedAssignment(assignment_id="a", generation=1, state=RunState.HEALTHY)],
)
NOTHING = Wanted(revision=1, heartbeat_s=5, metering_interval_s=60, approved=True)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[set[str]]]:
    """The nodes of each batch that would go to the database."""
    batches: list[set[str]] = []

    def take(batch: Batch) -> None:
        batches.append(batch.node_ids)

    monkeypatch.setattr(inbox, "take", take)
    monkeypatch.setattr(inbox, "GATHER_S", 0.01)
    yield batches


async def _first_batch(*said: tuple[str, Said]) -> None:
    """Returns when it was taken; what it waited for is over then."""
    answered = asyncio.Event()
    box = Inbox(lambda node_ids: answered.set())
    running = asyncio.create_task(box.run())
    try:
        for node_id, message in said:
            box.put(node_id, message)
            await asyncio.sleep(0)
        await asyncio.wait_for(answered.wait(), 5)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("pressing", [BUSY, Offers(offers=[])])
async def test_what_presses_takes_the_waiting_ones_along(
    taken: list[set[str]], monkeypatch: pytest.MonkeyPatch, pressing: Said
) -> None:
    monkeypatch.setattr(inbox, "IDLE_GATHER_S", 3600)
    await _first_batch(("a", IDLE), ("b", pressing))
    assert taken == [{"a", "b"}]


async def test_idle_ones_are_taken_after_a_while(
    taken: list[set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "IDLE_GATHER_S", 0.05)
    await _first_batch(("a", IDLE), ("b", IDLE))
    assert taken == [{"a", "b"}]


class Told:
    """A link as the informer sees it."""

    def __init__(self, *, is_idle: bool) -> None:
        self.told: Wanted | None = NOTHING
        self.is_idle = is_idle
        self.informed = asyncio.Event()

    def inform(self, message: object) -> None:
        self.informed.set()


async def test_who_has_something_to_do_is_answered_before_the_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informing, "wanted_for_all", lambda told: told)
    monkeypatch.setattr(informing, "IDLE_GATHER_S", 0.2)
    idle, busy = Told(is_idle=True), Told(is_idle=False)
    informer = Informer({"idle": idle, "busy": busy})
    running = asyncio.create_task(informer.run())
    try:
        informer.answer({"idle", "busy", "gone"})
        await asyncio.wait_for(busy.informed.wait(), 5)
        assert not idle.informed.is_set()
        await asyncio.wait_for(idle.informed.wait(), 5)
    finally:
        running.cancel()


@pytest.mark.parametrize(
    ("told", "heeded", "idle"), [(None, 1, False), (NOTHING, 0, False), (NOTHING, 1, True)]
)
async def test_a_node_is_idle_when_it_knows_that_nothing_is_wanted(
    told: Wanted | None, heeded: int, idle: bool
) -> None:
    async def send(event: object) -> None:
        raise AssertionError("nothing is sent")

    link = Link(send, Exchange())
    link.told = told
    await link.take("0xbee", Observed(revision=heeded, at_ms=0, assignments=[]))
    assert link.is_idle is idle
