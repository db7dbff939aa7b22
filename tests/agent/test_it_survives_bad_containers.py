"""Containers that do what they may not: each is held by its limits, ends when it must, and harms nobody."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent import clock
from agent.runtimes.base import Run
from agent.runtimes.docker.runtime import DockerRuntime
from tests.agent.containers import clear_away, ended, order, said, shell
from tests.agent.own_engine import IMAGE as OWN_IMAGE
from tests.agent.own_engine import own_engine
from tests.needs import needs_docker

pytestmark = [needs_docker, pytest.mark.real]

FORKS = """sh -c 'while :; do sleep 300 & done'; exec sleep 600"""
LITTLE = 20 << 20


@pytest.fixture
async def narrow(home: Path) -> AsyncIterator[DockerRuntime]:
    """A runtime that gives a replica little to write to."""
    runtime = DockerRuntime.detect("0x" + uuid.uuid4().hex, home=home, storage_bytes=LITTLE)
    yield runtime
    await clear_away(runtime)


async def processes(runtime: DockerRuntime, run: Run) -> int:
    stats: Any = await runtime._engine.ask(runtime._engine.api.stats, run.run_id, stream=False, one_shot=True)
    return int(stats["pids_stats"].get("current", 0))


async def test_it_holds_one_that_forks_without_end(runtime: DockerRuntime, image: str) -> None:
    bomb = await runtime.start(order(runtime, image, command=shell(FORKS), mem_gib=Decimal("0.25")))
    async with asyncio.timeout(30):
        while await processes(runtime, bomb) < 500:
            await asyncio.sleep(0.1)
    assert await processes(runtime, bomb) <= 512
    begun = time.monotonic()
    neighbour = await runtime.start(order(runtime, image, command=["true"]))
    assert (await ended(runtime, neighbour)).startswith("exited with status 0")
    assert time.monotonic() - begun < 15, "the machine is usable meanwhile"
    pids = psutil.Process((await runtime._inspect(bomb.run_id))["State"]["Pid"]).children(recursive=True)
    await runtime.stop(bomb, 1)
    assert not [each for each in pids if each.is_running()]


async def test_it_ends_one_that_takes_more_memory_than_is_rented(runtime: DockerRuntime, image: str) -> None:
    greedy = ["tail", "-c", "1000000000", "/dev/zero"]
    run = await runtime.start(order(runtime, image, command=greedy))
    assert (await ended(runtime, run)).startswith("killed: out of memory")


async def test_it_ends_one_that_ignores_sigterm(runtime: DockerRuntime, image: str) -> None:
    stubborn = shell("trap '' TERM; echo ready; while :; do sleep 1; done")
    run = await runtime.start(order(runtime, image, command=stubborn))
    await said(runtime, run, "ready")
    begun_s = clock.boot_s()
    await runtime.stop(run, 2)
    assert 1.9 < clock.boot_s() - begun_s < 6
    assert not (await runtime.status(run)).alive


async def test_it_lets_one_write_as_much_as_it_rents(narrow: DockerRuntime, image: str) -> None:
    """More than others may, and no more than that; known to the next agent, too."""
    fill = shell("i=0; while :; do i=$((i+1)); head -c 8000000 /dev/zero > /www/$i; sleep 0.1; done")
    run = await narrow.start(order(narrow, image, command=fill, storage_gib=Decimal("0.0625")))
    assert await narrow.adopt() == [run]
    async with asyncio.timeout(30):
        while (status := await narrow.status(run)).alive:
            await asyncio.sleep(0.2)
    assert re.match(r"killed: it wrote \d+ MiB, 64 MiB are for it", status.reason)


async def test_it_ends_one_that_fills_its_disk(narrow: DockerRuntime, image: str) -> None:
    fill = shell("i=0; while :; do i=$((i+1)); head -c 4000000 /dev/zero > /www/$i; sleep 0.1; done")
    run = await narrow.start(order(narrow, image, command=fill))
    async with asyncio.timeout(20):
        while (status := await narrow.status(run)).alive:
            await asyncio.sleep(0.2)
    assert "MiB, 20 MiB are for it" in status.reason
    assert not (await narrow._inspect(run.run_id))["State"]["Running"]


async def test_it_counts_what_is_written_to_a_volume_of_the_image(
    narrow: DockerRuntime, image_with_volume: str
) -> None:
    fill = shell("i=0; while :; do i=$((i+1)); head -c 4000000 /dev/zero > /data/$i; sleep 0.1; done")
    run = await narrow.start(order(narrow, image_with_volume, command=fill))
    async with asyncio.timeout(30):
        while (status := await narrow.status(run)).alive:
            await asyncio.sleep(0.2)
    assert "MiB, 20 MiB are for it" in status.reason


async def test_no_file_grows_beyond_what_is_for_it(narrow: DockerRuntime, image: str) -> None:
    command = shell("head -c 60000000 /dev/zero > /www/big; ls -l /www/big; sleep 600")
    run = await narrow.start(order(narrow, image, command=command))
    assert f" {LITTLE} " in await said(narrow, run, "/www/big\n")
    assert (await narrow.status(run)).alive


async def test_its_log_does_not_fill_the_disk(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, command=["yes", "x" * 1000], cpu_threads=Decimal(2)))
    path = Path((await runtime._inspect(run.run_id))["LogPath"])
    if not path.exists():
        pytest.skip("the engine's files can't be seen")
    older, turns = path.with_name(path.name + ".1"), set()
    async with asyncio.timeout(60):
        while len(turns) < 2:
            if older.exists():
                turns.add(older.stat().st_ino)
            await asyncio.sleep(0.02)
    await runtime.stop(run, 0)
    assert sum(each.stat().st_size for each in path.parent.glob("*-json.log*")) < 25_000_000


@pytest.mark.needs("root")
async def test_a_log_that_cannot_be_read_hides_no_end(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, command=shell("echo last; sleep 600")))
    await said(runtime, run, "last")
    path = Path((await runtime._inspect(run.run_id))["LogPath"])
    path.unlink()
    path.mkdir()
    await runtime.stop(run, 0)
    assert await ended(runtime, run) in ("exited with status 137", "exited with status 143")


async def test_a_command_that_writes_without_end_fills_no_memory_of_the_agent(
    runtime: DockerRuntime, image: str
) -> None:
    run = await runtime.start(order(runtime, image, cpu_threads=Decimal(2)))
    before = psutil.Process().memory_info().rss
    with pytest.raises(TimeoutError):
        await runtime.execute(run, ["yes", "x" * 1000], 2)
    assert psutil.Process().memory_info().rss - before < 20 << 20


@pytest.mark.needs("root")
async def test_a_command_that_hangs_is_killed(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image))
    alone = await processes(runtime, run)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await runtime.execute(run, ["sleep", "300"], 0.3)
    async with asyncio.timeout(5):
        while await processes(runtime, run) > alone:
            await asyncio.sleep(0.05)


@pytest.mark.needs("btrfs", "root")
async def test_the_engine_itself_holds_one_that_fills_its_disk_where_it_can(
    short_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = shell("for i in 1 2 3 4; do head -c 9000000 /dev/urandom > /www/$i; done; echo done; sleep 600")
    with btrfs(short_path / "disk") as disk:
        async with own_engine(disk, "--storage-driver", "btrfs") as engine:
            monkeypatch.setenv("DOCKER_HOST", engine.host)
            runtime = DockerRuntime.detect("0x" + uuid.uuid4().hex, home=home, storage_bytes=LITTLE)
            run = await runtime.start(order(runtime, OWN_IMAGE, command=fill))
            assert "quota exceeded" in await said(runtime, run, "done")
            assert (await runtime.status(run)).alive
            await clear_away(runtime)


@contextmanager
def btrfs(place: Path) -> Iterator[Path]:
    disk = place.with_suffix(".img")
    place.mkdir()
    with disk.open("wb") as file:
        file.truncate(512 << 20)
    subprocess.run(["mkfs.btrfs", "-q", disk], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", disk, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
