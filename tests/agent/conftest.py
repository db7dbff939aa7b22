"""Bees for these tests: real agents in processes of their own, against a double of the Queen."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from agent.config import Config, Rent, Rules, write_config
from agent.runtimes.guarded import confinement
from tests.agent.containers import image as image
from tests.agent.containers import image_with_volume as image_with_volume
from tests.agent.containers import runtime as runtime
from tests.agent.containers import short_path as short_path
from tests.agent.queen_double import QueenDouble

HIVE_AGENT = [sys.executable, "-c", "from agent.cli import agent_group; agent_group()"]
ROOT = Path(__file__).resolve().parents[2]
PYTHON = str(Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}"))

SERVER = """
import os, signal, sys, threading, http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/burn":
            end = os.times().user + 0.5
            while os.times().user < end: pass
        if self.path == "/crash": os._exit(7)
        self.send_response(500 if self.path == "/bad" else 200)
        self.end_headers()
        self.wfile.write(os.environ["HIVE_REPLICA"].encode())
    def log_message(self, *args): pass
signal.signal(signal.SIGTERM, lambda *args: os._exit(0))
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


def put_image(home: Path, reference: str, program: str, **fields: object) -> None:
    """A native image of one Python program in a bee's catalogue."""
    name, tag = reference.split(":")
    folder = home / "images" / name / tag
    folder.mkdir(parents=True)
    (folder / "program.py").write_text(program)
    image = {"entrypoint": [PYTHON, "-u", "./program.py"], **fields}
    (folder / "image.json").write_text(json.dumps(image))


async def agent(*arguments: str) -> tuple[int, str, str]:
    """`hive agent ...`: exit status, standard output, standard error."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *HIVE_AGENT, *arguments, cwd=ROOT, stdout=pipe, stderr=pipe
    )
    output, error = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), error.decode()


def left_of(home: Path) -> list[psutil.Process]:
    """Every process that a bee's home is named in: guards, and what is not yet reaped.

    Ask `info["cmdline"]` of each, which was read with the list: the process may have ended since.
    """
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(home) in word for word in process.info["cmdline"] or [])
    ]


def is_alive(process: psutil.Process) -> bool:
    """A zombie has ended, and one that is gone between two questions has too."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kill_what_is_left(home: Path) -> None:
    """The end of one may be the end of the next: walls and payload die with their guard."""
    for process in left_of(home):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def config_for(url: str, runtime: str) -> Config:
    """What `join` would write, without a process that only says hello."""
    return Config(
        url=url,
        name="amber",
        advertise="127.0.0.1",
        rent=Rent(threads=Decimal(2), mem_gib=Decimal(2)),
        rules=Rules(runtimes=(runtime,), console=True),
    )


@pytest.fixture
async def queen() -> AsyncIterator[QueenDouble]:
    async with QueenDouble().at_work() as double:
        yield double


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "bee"


@pytest.fixture
def running_bee(queen: QueenDouble, home: Path) -> Callable[..., object]:
    """`async with running_bee() as process`: a bee that runs as if it had joined, with image hive/hello:1."""

    @asynccontextmanager
    async def run(*options: str, runtime: str = "process") -> AsyncIterator[asyncio.subprocess.Process]:
        if not (home / "bee.toml").exists():
            home.mkdir()
            write_config(home, config_for(queen.url, runtime))
            put_image(home, "hive/hello:1", SERVER)
        process = await asyncio.create_subprocess_exec(
            *HIVE_AGENT, "run", "--home", str(home), *options, cwd=ROOT
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                await process.wait()

    return run


@pytest.fixture(autouse=True)
def nothing_is_left(home: Path) -> AsyncIterator[None]:
    yield
    kill_what_is_left(home)
    for folder in home.glob("work/*/*"):
        confinement.leave_no_group(folder.name)
