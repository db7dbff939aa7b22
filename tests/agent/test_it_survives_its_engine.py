"""The engine is restarted under a running Bee: the agent lives on, and what was ended starts again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import docker
import pytest

from agent.health import problem_with
from agent.protocol import Assignment, HealthCheck
from tests.agent.containers import SERVE, run_at
from tests.agent.own_engine import IMAGE, OwnEngine, own_engine
from tests.agent.queen_double import QueenDouble, assignment

pytestmark = [pytest.mark.needs("docker", "root"), pytest.mark.real]

HEALTH = HealthCheck(kind="http", path="/", interval_s=0.2, retries=2)


@pytest.fixture
async def engine(monkeypatch: pytest.MonkeyPatch, short_path: Path) -> AsyncIterator[OwnEngine]:
    async with own_engine(short_path, "--live-restore") as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        yield engine


async def serving(queen: QueenDouble) -> Assignment:
    given = assignment(await queen.agree(image=IMAGE, mem="0.0625"), port=80, command=SERVE, health=HEALTH)
    await queen.want(given)
    await queen.until(lambda: queen.is_seen(given, "healthy"), timeout_s=30)
    return given


def container_ids(engine: OwnEngine) -> list[str]:
    return [str(each.id) for each in docker.DockerClient(base_url=engine.host).containers.list()]


def is_back(queen: QueenDouble, given: Assignment) -> bool:
    seen = queen.is_seen(given, "healthy")
    return seen is not None and seen.restarts > 0


async def test_what_ended_with_the_engine_starts_again_with_it(
    queen: QueenDouble, running_bee: Any, engine: OwnEngine
) -> None:
    engine.stop()
    engine.start()  # this one ends its containers when it ends
    await engine.answers()
    async with running_bee("--stop-replicas", runtime="docker") as bee:
        given = await serving(queen)
        engine.stop()
        engine.start()
        await queen.until(lambda: is_back(queen, given), timeout_s=60)
        seen = queen.seen(given)
        assert await problem_with(run_at(seen.endpoint), HEALTH, None) == ""
        assert len(container_ids(engine)) == 1
        assert bee.returncode is None


async def test_what_outlived_the_engine_is_not_started_twice(
    queen: QueenDouble, running_bee: Any, engine: OwnEngine
) -> None:
    async with running_bee("--stop-replicas", runtime="docker") as bee:
        given = await serving(queen)
        before = container_ids(engine)
        engine.stop()
        await queen.until(lambda: not queen.is_seen(given, "healthy"), timeout_s=30)
        engine.start("--live-restore")
        await queen.until(lambda: queen.is_seen(given, "healthy"), timeout_s=60)
        assert container_ids(engine) == before
        assert (queen.seen(given).restarts, bee.returncode) == (0, None)
