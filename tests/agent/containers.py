"""What the tests of the docker runtime share: an image of Debian's busybox, a runtime, an order."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent import clock
from agent.health import problem_with
from agent.protocol import HealthCheck, Workload
from agent.runtimes.base import Order, Run
from tests.agent.orders import order_for
from tests.needs import need

IMAGE = f"hive-test/busybox:{os.getpid()}"
"""Of this test run alone: the engine may serve another one."""
SERVE = ["sh", "-c", "echo well > /www/index.html; exec httpd -f -p 80 -h /www"]


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """`docker import` of a root file system that is busybox and links to it."""
    need("docker")
    import docker

    client = docker.from_env()
    client.api.import_image_from_data(root_file_system(), *IMAGE.split(":"))
    yield IMAGE
    _remove(client, IMAGE)


@pytest.fixture(scope="session")
def image_with_volume(image: str) -> Iterator[str]:
    """The same, but it asks for a volume at /data."""
    import docker

    client = docker.from_env()
    name, tag = image.replace("busybox", "volume").split(":")
    client.api.import_image_from_data(root_file_system(), name, tag, changes=["VOLUME /data"])
    yield f"{name}:{tag}"
    _remove(client, f"{name}:{tag}")


def _remove(client: Any, image: str) -> None:
    """Two test runs may have made the very same image; the other one's end takes every name off it."""
    import docker

    with suppress(docker.errors.ImageNotFound):
        client.images.remove(image, force=True)
    client.close()


def root_file_system() -> bytes:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox: Debian's package busybox-static")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, mode in ((".", 0o755), ("bin", 0o755), ("www", 0o777), ("tmp", 0o777)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            tar.addfile(folder)
        tar.add(Path(busybox).resolve(), arcname="bin/busybox")
        for name in _APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return buffer.getvalue()


_APPLETS = (
    *(
        "cat",
        "chmod",
        "cut",
        "dd",
        "echo",
        "env",
        "false",
        "grep",
        "head",
        "httpd",
        "id",
        "ip",
        "ls",
        "mkdir",
    ),
    *(
        "mount",
        "nc",
        "ping",
        "ps",
        "rm",
        "seq",
        "sh",
        "sleep",
        "stty",
        "tail",
        "touch",
        "true",
        "wget",
        "yes",
    ),
)


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Any]:
    """A docker runtime of a node of its own; what it leaves is cleared away."""
    from agent.runtimes.docker.runtime import DockerRuntime

    runtime = DockerRuntime.detect("0x" + uuid.uuid4().hex, home=tmp_path / "bee")
    yield runtime
    await clear_away(runtime)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for unix sockets: their paths have to be shorter than pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="hive-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


async def clear_away(runtime: Any) -> None:
    for run in await runtime.adopt():
        await runtime.remove(run)
    await leave(runtime)
    assert await runtime._networks._of_this_node() == []


async def leave(runtime: Any) -> None:
    """As when its agent goes."""
    if keeping := runtime._networks._keeping:
        await runtime._networks.settle()
        keeping.cancel()
        await asyncio.wait([keeping])


def order(runtime: Any, image: str, *, lease_s: float = 60, **fields: Any) -> Order:
    workload = Workload(
        image=image,
        runtime="docker",
        cpu_threads=Decimal("0.5"),
        mem_gib=Decimal("0.0625"),
        command=["sleep", "600"],
        stop_grace_s=1,
    )
    return order_for(replace(workload, **fields), lease_s=lease_s, node_id=runtime._node_id)


def run_at(endpoint: str) -> Run:
    """For a probe of something whose run is the agent's."""
    return Run(run_id="", assignment_id="", agreement_id="", runtime="docker", endpoint=endpoint)


def shell(line: str) -> list[str]:
    return ["sh", "-c", line]


async def ended(runtime: Any, run: Run, limit_s: float = 15) -> str:
    """The reason, once it has."""
    async with asyncio.timeout(limit_s):
        while (status := await runtime.status(run)).alive:
            await asyncio.sleep(0.05)
        assert status.ended_s == pytest.approx(clock.boot_s(), abs=3)
        return str(status.reason)


async def serves(runtime: Any, run: Run) -> None:
    async with asyncio.timeout(10):
        while await problem_with(run, HealthCheck(kind="http", path="/"), runtime):
            await asyncio.sleep(0.05)


async def said(runtime: Any, run: Run, words: str) -> str:
    """Its log, once these words stand in it."""
    async with asyncio.timeout(15):
        while words not in (log := (await runtime.logs(run, 1000)).decode()):
            await asyncio.sleep(0.05)
        return str(log)
