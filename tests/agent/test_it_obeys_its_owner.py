"""The owner takes the machine for a while: what runs is frozen and earns nothing, and nothing new starts."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent import pausing
from agent.converge import due_at
from agent.protocol import RunState, Verdict
from agent.slots import Adopted, Ended, Freeze, Frozen, Pause, Probe, Probed, Start, Stop, Tick, WantedSet
from tests.agent.conftest import agent
from tests.agent.queen_double import QueenDouble, assignment
from tests.agent.test_it_converges import Story, given, healthy, run_of

RUN = "a1 run 1"


def frozen() -> Story:
    story = healthy().tell(Pause(True))
    assert story.effects == [Freeze(run=run_of(), frozen=True)]
    return story.tell(Frozen("a1", RUN, frozen=True))


def test_it_freezes_what_runs_and_says_so() -> None:
    story = frozen()
    assert (story.only.state, story.only.reason) == (RunState.UNHEALTHY, pausing.REASON)


def test_it_asks_what_is_frozen_for_a_sign_of_life_only() -> None:
    story = frozen().tell(Tick(), after_s=1)
    assert story.effects == [Probe(run=run_of(), health=None)]
    story.tell(Probed("a1", RUN))
    assert (story.only.state, story.only.reason) == (RunState.UNHEALTHY, pausing.REASON)


def test_it_wakes_what_it_froze_and_gives_it_time() -> None:
    story = frozen().tell(Pause(False), after_s=30)
    assert story.effects == [Freeze(run=run_of(), frozen=False)]
    story.tell(Frozen("a1", RUN, frozen=False))
    assert story.only.state == RunState.RUNNING
    story.tell(Probed("a1", RUN))
    assert story.only.state == RunState.HEALTHY


def test_it_starts_nothing_meanwhile_and_all_of_it_afterwards() -> None:
    story = Story().tell(Pause(True)).tell(WantedSet([given()]))
    assert not story.did(Start)
    assert (story.only.state, story.only.reason) == (RunState.PREPARING, pausing.REASON)
    story.tell(Pause(False))
    assert story.did(Start)


def test_it_does_not_restart_what_ends_meanwhile() -> None:
    story = frozen().tell(Ended("a1", RUN, "killed")).tell(Tick(), after_s=60)
    assert not story.did(Start)


def test_a_lease_that_runs_out_ends_what_is_frozen_too() -> None:
    story = frozen().tell(Tick(), after_s=61)
    assert Stop(run=run_of(), grace_s=10) in story.effects


def test_it_tries_again_what_can_not_be_frozen() -> None:
    story = healthy().tell(Pause(True)).tell(Frozen("a1", RUN, frozen=True, problem="it can't be paused: no"))
    assert story.effects == []
    due = due_at(story.state)
    assert due is not None and due <= story.now + 2
    story.tell(Tick(), after_s=2)
    assert Freeze(run=run_of(), frozen=True) in story.effects


def test_what_a_new_agent_finds_frozen_it_wakes_unless_the_pause_goes_on() -> None:
    story = Story().tell(Adopted(given(), 1060.0, run_of(), paused=True))
    assert Freeze(run=run_of(), frozen=False) in story.effects
    still = Story().tell(Pause(True)).tell(Adopted(given(), 1060.0, run_of(), paused=True))
    assert not still.did(Freeze)
    assert still.only.reason == pausing.REASON


# -- a whole agent ----------------------------------------------------------------------------------------


async def status(home: Path) -> dict[str, Any]:
    code, output, error = await agent("status", "--home", str(home), "-o", "json")
    assert code == 0, error
    return dict(json.loads(output))


def running_ms(queen: QueenDouble, agreement_id: str) -> int:
    return sum(each.running_ms for each in queen.usage[agreement_id].values())


@pytest.mark.real
async def test_it_pauses_and_resumes_what_really_runs(
    queen: QueenDouble, running_bee: Any, home: Path
) -> None:
    async with running_bee():
        terms = await queen.agree()
        one = assignment(terms)
        await queen.want(one)
        await queen.until(lambda: queen.is_seen(one, "healthy"))
        await queen.until(lambda: len(queen.usage.get(terms.agreement_id, ())) >= 2)

        assert (await agent("pause", "--home", str(home)))[1].startswith("Paused.")
        seen = await queen.until(lambda: queen.is_seen(one, "unhealthy"))
        assert seen.reason == pausing.REASON
        await queen.until(lambda: queen.offers == [])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await ask(seen.endpoint)
        await next_report(queen, terms.agreement_id)
        before = running_ms(queen, terms.agreement_id)
        await next_report(queen, terms.agreement_id)
        assert running_ms(queen, terms.agreement_id) == before, "what is frozen earns nothing"
    assert (await status(home))["is_running"] is False
    queen.observed.clear()

    async with running_bee():  # a restart ends no pause
        await queen.until(lambda: queen.is_seen(one, "unhealthy"))
        now = await status(home)
        assert now["is_running"] and now["paused_since"] and Decimal(now["earned_glm"]) > 0
        assert [each["replica"] for each in now["replicas"]] == ["web-1"]
        await next_report(queen, terms.agreement_id)
        assert running_ms(queen, terms.agreement_id) == before

        assert (await agent("resume", "--home", str(home)))[1] == "It goes on.\n"
        await queen.until(lambda: queen.is_seen(one, "healthy"))
        assert await ask(seen.endpoint) == b"web-1"
        assert queen.seen(one).restarts == 0
        await queen.until(lambda: running_ms(queen, terms.agreement_id) > before)
        await queen.until(lambda: queen.offers)


@pytest.mark.real
async def test_it_signs_nothing_while_it_is_paused(queen: QueenDouble, running_bee: Any, home: Path) -> None:
    async with running_bee():
        offer = await queen.until(lambda: queen.offers and queen.offers[0])
        pausing.pause(home)
        await queen.until(lambda: queen.offers == [])
        queen.offers = [offer]
        refused = await queen.agree()
        answer = queen.answer_to(refused.agreement_id)
        assert answer and (answer.verdict, answer.reason) == (Verdict.REJECTED, pausing.REASON)


@pytest.mark.real
async def test_it_says_where_no_bee_lives(home: Path) -> None:
    for command in ("pause", "resume", "status"):
        code, _, error = await agent(command, "--home", str(home))
        assert code == 1 and "join a Hive first" in error


async def next_report(queen: QueenDouble, agreement_id: str) -> None:
    told = max(queen.usage[agreement_id])
    await queen.until(lambda: max(queen.usage[agreement_id]) > told)


async def ask(endpoint: str) -> bytes:
    host, port = endpoint.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        return (await reader.read()).rpartition(b"\r\n\r\n")[2]
    finally:
        writer.close()
