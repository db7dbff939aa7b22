"""The engine is restarted under a running Bee: the agent lives on, and what was ended starts again."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import DockerException

from agent.health import problem_with
from agent.protocol import Assignment, HealthCheck
from tests.agent.containers import SERVE, root_file_system, run_at
from tests.agent.queen_double import QueenDouble, assignment

pytestmark = [pytest.mark.needs("docker", "root"), pytest.mark.real]

IMAGE = "hive-test/busybox:1"
HEALTH = HealthCheck(kind="http", path="/", interval_s=0.2, retries=2)


class OwnEngine:
    """A dockerd of this test's own, beside the machine's: its own socket, data and containerd."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder, f"unix://{folder / 'docker.sock'}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        with (self.folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("dockerd", "-H", self.host, "--data-root", self.folder / "data"),
                    *("--exec-root", self.folder / "exec", "--pidfile", self.folder / "docker.pid"),
                    # The machine's engine minds the packet filter; ports go through docker-proxy.
                    *("--iptables=false", *options),
                ],
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()
            self._process = None

    async def answers(self) -> docker.DockerClient:
        async with asyncio.timeout(40):
            while True:
                try:
                    return docker.DockerClient(base_url=self.host, version="auto")
                except DockerException:
                    await asyncio.sleep(0.1)


@pytest.fixture
async def engine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OwnEngine]:
    # The path of a unix socket has to be short.
    engine = OwnEngine(Path(tempfile.mkdtemp(prefix="hive-dockerd-")))
    engine.start("--live-restore")
    client = await engine.answers()
    client.api.import_image_from_data(root_file_system(), *IMAGE.split(":"))
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    yield engine
    client = await engine.answers()
    for container in client.containers.list(all=True):
        container.remove(force=True)
    client.networks.prune()
    engine.stop()
    # With `--live-restore` an engine leaves its data mounted on itself.
    subprocess.run(["umount", engine.folder / "data"], stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(engine.folder, ignore_errors=True)


async def serving(queen: QueenDouble) -> Assignment:
    given = assignment(await queen.agree(image=IMAGE, mem="0.0625"), port=80, command=SERVE, health=HEALTH)
    await queen.want(given)
    await queen.until(lambda: queen.is_seen(given, "healthy"), timeout_s=30)
    return given


def container_ids(engine: OwnEngine) -> list[str]:
    return [str(each.id) for each in docker.DockerClient(base_url=engine.host).containers.list()]


async def test_what_ended_with_the_engine_starts_again_with_it(
    queen: QueenDouble, running_bee: Any, engine: OwnEngine
) -> None:
    engine.stop()
    engine.start()  # this one ends its containers when it ends
    await engine.answers()
    async with running_bee("--stop-replicas", runtime="docker") as bee:
        given = await serving(queen)
        engine.stop()
        await queen.until(lambda: queen.is_seen(given, "unhealthy"), timeout_s=30)
        assert queen.seen(given).endpoint, "not ended as far as anybody knows"
        engine.start()
        await queen.until(lambda: queen.is_seen(given, "healthy"), timeout_s=60)
        seen = queen.seen(given)
        assert await problem_with(run_at(seen.endpoint), HEALTH, None) == ""
        assert len(container_ids(engine)) == 1
        assert (seen.restarts, bee.returncode) == (1, None)


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
