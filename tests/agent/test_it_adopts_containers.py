"""An agent that comes back finds its containers: none starts twice, is orphaned, or ends needlessly."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import docker
import pytest

from agent.protocol import HealthCheck
from agent.runtimes.docker.runtime import DockerRuntime
from tests.agent.containers import SERVE, leave, order
from tests.agent.queen_double import QueenDouble, assignment
from tests.needs import needs_docker

pytestmark = [needs_docker, pytest.mark.real]

HEALTH = HealthCheck(kind="http", path="/", interval_s=0.2)


def containers_of(node_id: str) -> list[str]:
    engine = docker.from_env()
    labels = {"label": f"hive.node={node_id}"}
    found = sorted(str(each.id) for each in engine.containers.list(all=True, filters=labels))
    engine.close()
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_it_goes_on_with_what_runs(
    queen: QueenDouble, running_bee: Any, image: str, number: signal.Signals
) -> None:
    async with running_bee(runtime="docker") as bee:
        terms = await queen.agree(image=image, mem="0.0625")
        given = assignment(terms, port=80, command=SERVE, health=HEALTH)
        await queen.want(given)
        first = await queen.until(lambda: queen.is_seen(given, "healthy"), timeout_s=20)
        [container] = containers_of(terms.provider)
        bee.send_signal(number)
        await bee.wait()
    assert containers_of(terms.provider) == [container]
    queen.observed.clear()
    async with running_bee("--stop-replicas", runtime="docker"):
        again = await queen.until(lambda: queen.is_seen(given, "healthy"), timeout_s=20)
        assert containers_of(terms.provider) == [container]
        assert (again.endpoint, again.restarts) == (first.endpoint, 0)
    assert containers_of(terms.provider) == []


async def test_it_ends_what_nobody_knows(
    queen: QueenDouble, running_bee: Any, image: str, tmp_path: Path
) -> None:
    async with running_bee(runtime="docker"):
        node_id = (await queen.until(lambda: queen.hellos))[0].node_id
    stranger = DockerRuntime.detect(node_id, home=tmp_path / "stranger")
    await stranger.start(order(stranger, image))
    await leave(stranger)
    assert len(containers_of(node_id)) == 1
    async with running_bee(runtime="docker"):
        async with asyncio.timeout(20):
            while containers_of(node_id):
                await asyncio.sleep(0.1)
