"""A Bee that talks without end is heard at a pace that leaves room for the others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.protocol import Observed, encode
from hive_portal import switchboard
from hive_portal.exchange import Exchange
from hive_portal.pacing import BURST_S, BYTES_PER_S, FRAMES_PER_S, Pace


def test_a_burst_is_taken_at_once_and_a_flood_at_its_pace() -> None:
    pace, burst = Pace(), int(FRAMES_PER_S * BURST_S)
    assert [pace.wait_s(0, 100.0) for _ in range(burst - 1)] == [0.0] * (burst - 1)
    waits = [pace.wait_s(0, 100.0) for _ in range(FRAMES_PER_S)]
    assert waits[-1] == pytest.approx(1.0, abs=0.1)
    assert Pace().wait_s(int(BYTES_PER_S * (BURST_S + 5)), 100.0) == pytest.approx(5.0, abs=0.1)


def test_who_was_silent_may_say_as_much_again_and_no_more() -> None:
    pace = Pace()
    for _ in range(10_000):
        pace.wait_s(0, 0.0)
    assert pace.wait_s(0, 100_000.0) == 0.0
    assert pace.wait_s(int(BYTES_PER_S * BURST_S), 100_000.0) > 0


async def test_a_link_reads_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    async def send(event: dict[str, Any]) -> None:
        """Nobody reads it."""

    slept: list[float] = []

    async def sleep(wait_s: float) -> None:
        slept.append(wait_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    link = switchboard.Link(send, Exchange())
    link.node_id = "0xbee"
    frame = encode(Observed(revision=1, at_ms=0, assignments=[]))
    for _ in range(int(FRAMES_PER_S * BURST_S) + 100):
        await link.hear(frame)
    assert len(slept) >= 90
