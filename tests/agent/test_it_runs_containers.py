"""The docker runtime against a real engine, with an image made of Debian's busybox."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tarfile
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import docker
import pytest
from msgspec.structs import replace

from agent import clock
from agent.health import problem_with
from agent.protocol import Assignment, HealthCheck, Workload
from agent.runtimes.base import ImageMissing, Order, Run, RuntimeFault
from agent.runtimes.docker import DockerRuntime
from tests.agent.queen_double import QueenDouble, assignment
from tests.needs import need, needs_docker

pytestmark = [needs_docker, pytest.mark.real]

IMAGE = f"hive-test/busybox:{os.getpid()}"
"""Of this test run alone: the engine may serve another one."""
TOOLS = ("sh", "httpd", "sleep", "cat", "echo", "id", "stty", "ls", "mount", "true", "false", "seq", "env")
SERVE = ["sh", "-c", "echo well > /www/index.html; exec httpd -f -p 80 -h /www"]


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """`docker import` of a root file system that is busybox and links to it."""
    need("docker")
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox: Debian's package busybox-static")
    client = docker.from_env()
    client.api.import_image_from_data(_root(Path(busybox)), *IMAGE.split(":"))
    yield IMAGE
    client.images.remove(IMAGE, force=True)
    client.close()


def _root(busybox: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(busybox.resolve(), arcname="bin/busybox")
        for name in TOOLS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name in ("www", "tmp"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(folder)
    return buffer.getvalue()


@pytest.fixture
async def runtime() -> AsyncIterator[DockerRuntime]:
    runtime = DockerRuntime.detect("0x" + uuid.uuid4().hex)
    yield runtime
    for run in await runtime.adopt():
        await runtime.remove(run)


def order(runtime: DockerRuntime, image: str, **fields: Any) -> Order:
    workload = Workload(
        image=image,
        runtime="docker",
        cpu_threads=Decimal("0.5"),
        mem_gib=Decimal("0.0625"),
        command=["sleep", "600"],
    )
    return Order(
        assignment=Assignment(
            assignment_id=str(uuid.uuid4()),
            agreement_id="g",
            replica="web-1",
            generation=3,
            lease_s=60,
            workload=replace(workload, **fields),
        ),
        node_id=runtime._node_id,
        advertise="127.0.0.1",
        lease_until_s=clock.boot_s() + 60,
    )


async def ended(runtime: DockerRuntime, run: Run) -> str:
    async with asyncio.timeout(10):
        while (status := await runtime.status(run)).alive:
            await asyncio.sleep(0.05)
        assert status.ended_s == pytest.approx(clock.boot_s(), abs=3)
        return status.reason


async def test_it_serves_on_a_published_port_and_stops(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, port=80, command=SERVE))
    async with asyncio.timeout(10):
        while await problem_with(run, HealthCheck(kind="http", path="/"), runtime):
            await asyncio.sleep(0.05)
    assert run.endpoint.startswith("127.0.0.1:")
    await runtime.stop(run, 1)
    assert not (await runtime.status(run)).alive
    await runtime.remove(run)
    assert await runtime.adopt() == []


async def test_it_gives_a_container_nothing_it_does_not_need(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image))
    settings = runtime._client.api.inspect_container(run.run_id)["HostConfig"]
    assert settings["CapDrop"] == ["ALL"]
    assert settings["SecurityOpt"] == ["no-new-privileges"]
    assert (settings["Memory"], settings["NanoCpus"], settings["PidsLimit"]) == (1 << 26, 500_000_000, 512)
    assert not settings["Binds"]
    assert not settings["Privileged"]
    assert await runtime.execute(run, ["sh", "-c", "mount -t tmpfs none /tmp"], 5) != 0


async def test_it_reads_usage_from_the_engine(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, command=["sh", "-c", "while :; do :; done"]))
    first, started_s = await runtime.usage(run), clock.boot_s()
    await asyncio.sleep(1)
    burnt_ms = (await runtime.usage(run)).cpu_ms - first.cpu_ms
    passed_ms = (clock.boot_s() - started_s) * 1000
    assert 100 < burnt_ms < 0.8 * passed_ms, "half a CPU is rented"


async def test_it_counts_what_a_container_sends(runtime: DockerRuntime, image: str) -> None:
    fill = "seq 100000 > /www/index.html; exec httpd -f -p 80 -h /www"
    run = await runtime.start(order(runtime, image, port=80, command=["sh", "-c", fill]))
    async with asyncio.timeout(10):
        while await problem_with(run, HealthCheck(kind="http", path="/"), runtime):
            await asyncio.sleep(0.05)
    host, port = run.endpoint.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    size = len(await reader.read(-1))
    writer.close()
    assert (await runtime.usage(run)).egress_bytes >= size > 500_000


async def test_it_says_how_a_container_ended(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, command=["sh", "-c", "exit 7"]))
    assert await ended(runtime, run) == "exited with status 7"


async def test_it_says_why_an_image_cannot_be_had(runtime: DockerRuntime) -> None:
    with pytest.raises(ImageMissing, match=r"image registry\.invalid/none:1 can't be pulled: "):
        await runtime.prepare(order(runtime, "registry.invalid/none:1").assignment.workload)


async def test_it_says_why_a_container_did_not_start(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, command=["no-such-program"]))
    await ended(runtime, run)
    async with asyncio.timeout(5):  # the engine writes the last words a moment after the end
        while "no-such-program" not in (await runtime.status(run)).reason:
            await asyncio.sleep(0.05)


async def test_it_leaves_nothing_of_a_container_that_could_not_be_made(runtime: DockerRuntime) -> None:
    with pytest.raises(RuntimeFault, match="No such image"):
        await runtime.start(order(runtime, "hive-test/none:1"))
    assert await runtime.adopt() == []


async def test_it_starts_an_assignment_once_however_often_it_is_told(
    runtime: DockerRuntime, image: str
) -> None:
    wanted = order(runtime, image)
    await runtime.start(wanted)
    second = await runtime.start(wanted)
    assert await runtime.adopt() == [second]


async def test_it_finds_its_own_containers_again_and_no_others(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, port=80, command=SERVE))
    assert await DockerRuntime.detect(runtime._node_id).adopt() == [run]
    assert await DockerRuntime.detect("0xanother").adopt() == []


async def test_it_opens_a_shell_on_a_terminal(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image))
    terminal = await runtime.terminal(run, None, 100, 30)
    await terminal.write(b"stty size; echo $HIVE_REPLICA; exit 5\n")
    output = b""
    async with asyncio.timeout(10):
        while data := await terminal.read():
            output += data
    assert b"30 100" in output
    assert b"web-1" in output
    assert await terminal.wait() == 5
    await terminal.close()


async def test_it_works_with_containers_through_its_whole_life(
    queen: QueenDouble, running_bee: Any, image: str
) -> None:
    async with running_bee("--stop-replicas", runtime="docker"):
        given = assignment(await queen.agree(image=image, mem="0.0625"), port=80, command=SERVE)
        await queen.want(given)
        seen = await queen.until(lambda: queen.is_seen(given, "healthy"), timeout_s=20)
        assert await problem_with(_at(seen.endpoint), HealthCheck(kind="http", path="/"), None) == ""  # type: ignore[arg-type]
        await queen.want()
        await queen.until(lambda: any(note.final for note in queen.notes), timeout_s=20)
    chain = queen.usage[given.agreement_id].values()
    assert sum(each.running_ms for each in chain) > 0
    assert sum(each.cpu_ms for each in chain) > 0


def _at(endpoint: str) -> Run:
    return Run(run_id="", assignment_id="", agreement_id="", runtime="docker", endpoint=endpoint)
