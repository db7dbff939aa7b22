"""No container outlives its lease, though nobody but its fence is left to look."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent import clock
from agent.runtimes.docker import fence
from agent.runtimes.docker.leases import Leases
from agent.runtimes.docker.runtime import DockerRuntime
from tests.agent.conftest import is_alive, left_of
from tests.agent.containers import ended, order, shell
from tests.agent.queen_double import QueenDouble, assignment
from tests.needs import needs_docker

pytestmark = [needs_docker, pytest.mark.real]


def fences(home: Path) -> list[psutil.Process]:
    return [each for each in left_of(home) if any("fence.py" in word for word in each.info["cmdline"])]


async def gone(process: psutil.Process, limit_s: float = 5) -> None:
    async with asyncio.timeout(limit_s):
        while is_alive(process):
            await asyncio.sleep(0.05)


async def test_a_container_ends_with_its_lease(runtime: DockerRuntime, image: str, home: Path) -> None:
    burn = shell("while :; do :; done")
    run = await runtime.start(order(runtime, image, lease_s=2, command=burn))
    [watcher] = fences(home)
    begun_s = clock.boot_s()
    assert (await ended(runtime, run)).startswith("its lease ran out")
    assert 1 < clock.boot_s() - begun_s < 10
    assert (await runtime.usage(run)).cpu_ms > 100, "what it used till then is known"
    assert watcher.is_running(), "the next replica needs one, too"


async def test_a_container_whose_lease_is_renewed_goes_on(
    runtime: DockerRuntime, image: str, home: Path
) -> None:
    kept = await runtime.start(order(runtime, image, lease_s=2))
    left = await runtime.start(order(runtime, image, lease_s=2))
    await runtime.renew(kept, clock.boot_s() + 60)
    await ended(runtime, left)
    assert (await runtime.status(kept)).alive
    assert len(fences(home)) == 1, "one for all"


async def test_one_that_is_slow_to_stop_does_not_lengthen_the_others_lease(
    runtime: DockerRuntime, image: str
) -> None:
    stubborn = shell("trap '' TERM; while :; do sleep 1; done")
    slow = await runtime.start(order(runtime, image, lease_s=1, command=stubborn, stop_grace_s=8))
    quick = await runtime.start(order(runtime, image, lease_s=1))
    await ended(runtime, quick, limit_s=6)
    assert (await runtime.status(slow)).alive
    await ended(runtime, slow)


async def test_a_fence_that_was_killed_is_replaced_at_the_next_renewal(
    runtime: DockerRuntime, image: str, home: Path
) -> None:
    run = await runtime.start(order(runtime, image))
    [watcher] = fences(home)
    watcher.kill()
    await gone(watcher)
    await runtime.renew(run, clock.boot_s() + 1)
    assert (await ended(runtime, run)).startswith("its lease ran out")


async def test_a_frozen_container_ends_too(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, lease_s=4))
    await runtime.pause(run)
    assert (await ended(runtime, run)).startswith("its lease ran out")


async def test_containers_end_while_the_agent_is_dead(
    queen: QueenDouble, running_bee: Any, home: Path, image: str
) -> None:
    async with running_bee(runtime="docker") as bee:
        given = assignment(
            await queen.agree(image=image, mem="0.0625"), command=shell("while :; do :; done"), lease_s=12
        )
        await queen.want(given)
        await queen.until(lambda: queen.is_seen(given, "healthy"), timeout_s=20)
        [watcher] = fences(home)
        bee.send_signal(signal.SIGKILL)
        await bee.wait()
    assert watcher.is_running(), "it outlives the agent"
    async with asyncio.timeout(30):
        while list((home / "work/docker/leases").iterdir()):
            await asyncio.sleep(0.1)
    queen.assignments = []
    async with running_bee(runtime="docker"):
        await queen.until(lambda: queen.usage.get(given.agreement_id), timeout_s=20)
    reports = queen.usage[given.agreement_id].values()
    # The agent was killed as soon as it ran. A busy machine gives it a sixth of a processor at the least.
    assert sum(each.running_ms for each in reports) > 10_000
    assert sum(each.cpu_ms for each in reports) > 2000


# -- leases as files --------------------------------------------------------------------------------------


@pytest.fixture
def leases(home: Path) -> Leases:
    return Leases(home / "work" / "docker", node_id="0x1", socket_path="/nonexistent/docker.sock")


async def test_a_fence_waits_for_an_engine_that_is_away(leases: Leases, home: Path) -> None:
    leases.write("c1", clock.boot_s() - 1, 1)
    [watcher] = fences(home)
    await asyncio.sleep(1.5)
    assert watcher.is_running()
    leases.forget("c1")


async def test_a_fence_that_nobody_needs_goes(home: Path) -> None:
    leases = Leases(home / "docker", node_id="0x1", socket_path="/nonexistent/docker.sock", linger_s=0.2)
    leases.write("c1", clock.boot_s() + 600, 1)
    [watcher] = fences(home)
    await asyncio.sleep(1)
    assert watcher.is_running()
    leases.forget("c1")
    await gone(watcher)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"until_s": null, "grace_s": 1}', '"x"'])
def test_a_lease_that_nobody_can_understand_is_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "c1").write_text(text)
    assert fence.read_lease(str(tmp_path / "c1")) == (0.0, 0)


def test_a_lease_that_is_gone_since_it_was_listed_is_none(tmp_path: Path) -> None:
    assert fence.read_lease(str(tmp_path / "c1"))[0] == float("inf")


def test_a_lease_is_renewed_on_a_full_disk(leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    leases.write("c1", 10**9, 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(Path, "replace", full)
    leases.renew("c1", 2 * 10**9)
    written = (leases._leases / "c1").read_text()
    assert '"until_s": 2000000000' in written
    leases.forget("c1")


def test_a_lease_that_has_been_ended_is_not_renewed(leases: Leases) -> None:
    leases.renew("c1", 10**9)
    assert not (leases._leases / "c1").exists()
