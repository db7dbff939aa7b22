"""An agent is killed at any moment and started again: its containers go on, once each, none is orphaned."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.health import problem_with
from agent.protocol import Assignment, HealthCheck
from tests.agent.containers import IMAGE, SERVE, run_at
from tests.agent.containers import image as image
from tests.agent.queen_double import QueenDouble, assignment
from tests.needs import needs_docker

pytestmark = [pytest.mark.real, needs_docker, pytest.mark.timeout(120)]


@pytest.fixture
def engine(queen: QueenDouble) -> Iterator[Any]:
    import docker

    client = docker.from_env()
    yield client
    for container in containers(client, queen):
        container.remove(force=True)
    client.close()


def containers(engine: Any, queen: QueenDouble) -> list[Any]:
    """Everything of this Bee, running or not."""
    node = queen.hellos[0].node_id if queen.hellos else "none"
    return list(engine.containers.list(all=True, filters={"label": f"hive.node={node}"}))


def starts(engine: Any, queen: QueenDouble) -> list[tuple[str, str]]:
    """Each container with the moment of its start."""
    return sorted((each.id, each.attrs["State"]["StartedAt"]) for each in containers(engine, queen))


async def healthy(queen: QueenDouble, given: Assignment) -> str:
    """Its endpoint."""
    queen.observed.clear()
    seen = await queen.until(lambda: queen.is_seen(given, "healthy"), timeout_s=30)
    return str(seen.endpoint)


async def placed(queen: QueenDouble) -> Assignment:
    terms = await queen.agree(image=IMAGE, mem="0.0625", threads="0.5")
    return assignment(terms, port=80, command=SERVE)


async def test_a_killed_agent_finds_its_containers_again_and_starts_none_twice(
    queen: QueenDouble, running_bee: Any, image: str, engine: Any
) -> None:
    async with running_bee(runtime="docker") as first:
        given = await placed(queen)
        await queen.want(given)
        endpoint = await healthy(queen, given)
        before = starts(engine, queen)
        first.kill()
        await first.wait()
    assert len(before) == 1
    look = HealthCheck(kind="http", path="/")
    assert await problem_with(run_at(endpoint), look, None) == "", "it serves on while no agent lives"  # type: ignore[arg-type]
    for _ in range(2):
        async with running_bee(runtime="docker") as again:
            assert await healthy(queen, given) == endpoint
            seen = queen.seen(given)
            assert seen and seen.restarts == 0
            assert starts(engine, queen) == before
            again.kill()
            await again.wait()
    queen.assignments = []
    async with running_bee(runtime="docker"):
        await queen.until(lambda: any(note.final for note in queen.notes), timeout_s=30)
        assert containers(engine, queen) == [], "what nobody wants any more is ended and removed"
    reports = [report for _, report in sorted(queen.usage[given.agreement_id].items())]
    assert [each.sequence for each in reports] == list(range(1, len(reports) + 1))
    spanned_ms = reports[-1].ended_at_ms - reports[0].started_at_ms
    assert sum(each.running_ms for each in reports) >= 0.7 * spanned_ms, "time without an agent counts"


async def test_an_agent_that_is_killed_while_it_starts_something_leaves_one_container(
    queen: QueenDouble, running_bee: Any, image: str, engine: Any
) -> None:
    async with running_bee(runtime="docker") as first:
        given = await placed(queen)
        await queen.want(given)
        await queen.until(lambda: queen.seen(given), timeout_s=20)  # it is preparing or starting
        first.kill()
        await first.wait()
    async with running_bee("--stop-replicas", runtime="docker"):
        await healthy(queen, given)
        assert len(containers(engine, queen)) == 1


async def test_what_died_while_no_agent_lived_is_started_again_once(
    queen: QueenDouble, running_bee: Any, image: str, engine: Any, home: Path
) -> None:
    async with running_bee(runtime="docker") as first:
        given = await placed(queen)
        await queen.want(given)
        await healthy(queen, given)
        [before] = starts(engine, queen)
        first.kill()
        await first.wait()
    await asyncio.to_thread(containers(engine, queen)[0].kill)
    async with running_bee("--stop-replicas", runtime="docker"):
        await healthy(queen, given)
        [after] = starts(engine, queen)
        assert after[0] != before[0]
    assert containers(engine, queen) == []
