"""What no Queen should say: nonsense, floods, yesterday's news. The Bee lives, and its replicas with it."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from agent.link import Patience, delays
from agent.protocol import MAX_FRAME_BYTES, Challenge, Echo, OpenStream, Welcome, encode
from tests.agent.queen_double import QueenDouble, assignment

NONSENSE: list[str | bytes] = [
    "hello?",
    "{}",
    '{"type": "Sesame"}',
    '{"type": "Wanted"}',
    '{"type": "Wanted", "revision": "x", "assignments": {}}',
    "[" * 10_000,
    b"\x00\xff\xfe",
    "",
    '{"type": "Welcome", "approved": "perhaps"}',
]


@pytest.mark.real
async def test_no_frame_takes_the_bee_or_its_replicas_down(queen: QueenDouble, running_bee: Any) -> None:
    async with running_bee() as process:
        given = assignment(await queen.agree())
        await queen.want(given)
        await queen.until(lambda: queen.is_seen(given, "healthy"))
        for frame in NONSENSE:
            await queen.links[-1].send(frame)
        heard = len(queen.observed)
        await queen.until(lambda: len(queen.observed) > heard + 2)
        assert len(queen.hellos) == 1, "what can't be read is passed over"
        await queen.links[-1].send("x" * (MAX_FRAME_BYTES + 1))
        await queen.until(lambda: len(queen.hellos) == 2)
        queen.observed.clear()
        seen = await queen.until(lambda: queen.is_seen(given, "healthy"), timeout_s=10)
        assert seen.restarts == 0
        assert process.returncode is None


@pytest.mark.real
async def test_messages_out_of_their_order_change_nothing(queen: QueenDouble, running_bee: Any) -> None:
    async with running_bee() as process:
        given = assignment(await queen.agree())
        await queen.want(given)
        await queen.until(lambda: queen.is_seen(given, "healthy"))
        stale = replace(queen.wanted(), revision=queen.revision - 1, assignments=[])
        again = Welcome(approved=True, heartbeat_s=0.2, metering_interval_s=0.5)
        challenge = Challenge(nonce="0x" + "11" * 32, queen=queen.key.address.lower(), chain_id=1)
        stray = OpenStream(stream_id="none", assignment_id="none", generation=9)
        for message in (stale, again, challenge, Echo(probe_id=77), stray, stale):
            await queen.links[-1].send(encode(message))
        heard = len(queen.observed)
        await queen.until(lambda: len(queen.observed) > heard + 3)
        assert all(one.assignments[0].state == "healthy" for one in queen.observed[heard:])
        assert len(queen.hellos) == 1
        assert process.returncode is None


@pytest.mark.real
async def test_an_agreement_that_is_asked_for_again_is_answered_the_same(
    queen: QueenDouble, running_bee: Any
) -> None:
    async with running_bee():
        await queen.until(lambda: queen.offers)
        terms = await queen.agree()
        asked = queen.answer_to(terms.agreement_id)
        assert asked
        queen.answers.clear()
        queen.agreements = {terms.agreement_id: queen.asked[terms.agreement_id]}
        await queen.nudge()
        again = await queen.until(lambda: queen.answer_to(terms.agreement_id))
        assert again == asked, "one signature, however often it is asked for"


@pytest.mark.real
async def test_no_interval_makes_it_a_flood_or_a_heater(queen: QueenDouble, running_bee: Any) -> None:
    queen.heartbeat_s, queen.metering_interval_s = -5.0, 0.0
    async with running_bee() as process:
        given = assignment(await queen.agree())
        await queen.want(given)
        await queen.until(lambda: queen.is_seen(given, "healthy"))
        agent = psutil.Process(process.pid)
        begun, used, heard = time.monotonic(), sum(agent.cpu_times()[:2]), len(queen.observed)
        await asyncio.sleep(2)
        span_s = time.monotonic() - begun
        assert (len(queen.observed) - heard) / span_s <= 30
        assert (sum(agent.cpu_times()[:2]) - used) / span_s <= 0.6


def test_a_thousand_bees_do_not_come_back_at_one_moment() -> None:
    """Full jitter: anywhere within a limit that doubles up to half a minute."""
    firsts = [next(delays()) for _ in range(1000)]
    assert max(firsts) <= 0.5
    assert max(sum(start <= each < start + 0.05 for each in firsts) for start in firsts) < 200
    thousand = [list(itertools.islice(delays(), 9)) for _ in range(1000)]
    for number, limit in enumerate((0.5, 1, 2, 4, 8, 16, 30, 30, 30)):
        tries = [each[number] for each in thousand]
        assert 0.9 * limit < max(tries) <= limit


def test_who_is_hung_up_on_at_once_comes_back_ever_more_slowly_and_who_was_long_there_soon() -> None:
    waits = []
    for _ in range(200):
        patience = Patience()
        waits.append([patience.after(held_s) for held_s in (1, 1, 1, 1, 1, 600)])
    longest = [max(each[number] for each in waits) for number in range(6)]
    assert longest[:5] == sorted(longest[:5]) and longest[4] > 4
    assert longest[5] <= 0.5
