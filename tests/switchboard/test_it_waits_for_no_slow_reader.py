"""A Bee that does not read what it is told holds up nobody, and hears the newest once it reads again."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from agent.protocol import RefusalCode, Refused, Wanted, decode_from_queen
from hive_portal import informing
from hive_portal.exchange import Exchange
from hive_portal.switchboard import REFUSED, Link

NODE = "0xbee"
FIRST = Wanted(revision=1, heartbeat_s=5, metering_interval_s=60, approved=True)


class Wire:
    """The far end: takes a frame only while it reads, as uvicorn's `send` does once its buffer is full."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.taken: list[dict[str, Any]] = []

    async def send(self, event: dict[str, Any]) -> None:
        await self.reads.wait()
        self.taken.append(event)

    @property
    def revisions(self) -> list[int]:
        heard = [decode_from_queen(event["text"]) for event in self.taken]
        return [message.revision for message in heard if isinstance(message, Wanted)]


async def test_it_hears_the_newest_once_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    newest = [FIRST]
    monkeypatch.setattr(informing, "wanted_for_all", lambda told: dict.fromkeys(told, newest[0]))
    wire, exchange = Wire(), Exchange()
    link = Link(wire.send, exchange)
    link.node_id = NODE
    running = asyncio.create_task(exchange.informer.run())
    exchange.add(NODE, link)
    try:
        async with asyncio.timeout(5):
            while link.told is None:
                await asyncio.sleep(0.01)
            for revision in range(2, 6):
                newest[0] = msgspec.structs.replace(FIRST, revision=revision)
                exchange.informer.refresh([NODE])
                await asyncio.sleep(0.02)
            assert wire.revisions == []

            wire.reads.set()
            while wire.revisions != [1, 5]:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()


async def test_a_refusal_ends_the_link_and_nothing_follows_it() -> None:
    wire = Wire()
    wire.reads.set()
    link = Link(wire.send, Exchange())
    link.inform(Refused(code=RefusalCode.BANNED, reason="it lied", final=True))
    await asyncio.sleep(0)
    link.inform(FIRST)
    await asyncio.sleep(0.01)

    refusal, close = wire.taken
    assert decode_from_queen(refusal["text"]) == Refused(
        code=RefusalCode.BANNED, reason="it lied", final=True
    )
    assert (close["type"], close["code"]) == ("websocket.close", REFUSED)


async def test_a_link_that_broke_is_no_error() -> None:
    async def gone(event: object) -> None:
        raise OSError("the bee hung up")

    link = Link(gone, Exchange())
    link.inform(FIRST)
    await asyncio.sleep(0.01)
    assert link._sending is None
