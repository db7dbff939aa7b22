"""Machine images for tests, made by the script that owners use, and orders for machines."""

from __future__ import annotations

import asyncio
import atexit
import json
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from msgspec.structs import replace

from agent.protocol import HealthCheck, Workload
from agent.runtimes.base import Order, Run, Terminal
from agent.runtimes.qemu.runtime import QemuRuntime
from tests.agent.orders import order_for

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "machine_image.py"
IMAGE = "hive/machine:1"
BOOT_S = 60
"""Emulated, and with everything else that tests run on two cores; alone it takes three."""


HTTP = HealthCheck(kind="http", path="/")


@cache
def built_image() -> Path:
    """Made once per run of the tests."""
    parent = Path(mkdtemp(prefix="hive-machine-"))
    atexit.register(shutil.rmtree, parent)
    folder = parent / "image"
    made = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return folder


def put_machine(home: Path, reference: str = IMAGE, **fields: Any) -> None:
    """The image in a bee's catalogue, described with other `fields` (None takes one away)."""
    name, tag = reference.split(":")
    folder = home / "images" / name / tag
    shutil.copytree(built_image(), folder)
    image = json.loads((folder / "image.json").read_text()) | fields
    (folder / "image.json").write_text(json.dumps({k: v for k, v in image.items() if v is not None}))


def order(*, image: str = IMAGE, lease_s: float = 300, **fields: Any) -> Order:
    workload = Workload(
        image=image,
        runtime="qemu",
        cpu_threads=Decimal(1),
        mem_gib=Decimal("0.1"),
        port=80,
        stop_grace_s=10,
    )
    return order_for(replace(workload, **fields), lease_s=lease_s)


async def until(probe: Callable[[], Awaitable[Any]], timeout_s: float = BOOT_S) -> Any:
    async with asyncio.timeout(timeout_s):
        while not (answer := await probe()):
            await asyncio.sleep(0.1)
        return answer


async def page(run: Run, timeout_s: float = 2) -> str:
    """What the machine serves; empty while nobody answers."""
    host, _, port = run.endpoint.rpartition(":")
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return ""
    return answer.partition(b"\r\n\r\n")[2].decode()


async def booted(runtime: QemuRuntime, asked: Order) -> Run:
    """Started, and serving its page."""
    run = await runtime.start(asked)

    async def serves() -> bool:
        status = await runtime.status(run)
        assert status.alive, status.reason
        return bool(await page(run))

    await until(serves)
    return run


async def written(runtime: QemuRuntime, run: Run, words: bytes) -> bool:
    status = await runtime.status(run)
    assert status.alive, status.reason
    return words in await runtime.logs(run, 100)


async def said(machine: tuple[QemuRuntime, Run], command: str) -> str:
    runtime, run = machine
    terminal = await runtime.terminal(run, command, 80, 24)
    try:
        return (await output_of(terminal)).decode()
    finally:
        await terminal.close()


async def output_of(terminal: Terminal) -> bytes:
    output = b""
    async with asyncio.timeout(60):
        while data := await terminal.read():
            output += data
    return output


async def read_until(terminal: Terminal, words: bytes) -> None:
    output = b""
    async with asyncio.timeout(20):
        while words not in output:
            output += await terminal.read()
