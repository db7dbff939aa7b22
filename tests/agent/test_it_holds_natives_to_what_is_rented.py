"""Faults of native replicas: each takes more than is rented of something, and takes nothing down with it."""

from __future__ import annotations

import asyncio
import os
import re
import time
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from agent.runtimes.guarded import disk_use
from agent.runtimes.process import ProcessRuntime
from tests.agent.conftest import put_image
from tests.agent.natives import end_of, order, tree_of, until, without_walls

pytestmark = pytest.mark.real

PROGRAMS = {
    "bomb": """
import os, time
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.01)
""",
    "hoarder": """
import pathlib, time
for i in range(10_000):
    pathlib.Path(f"file-{i}").write_bytes(bytes(1 << 20))
    time.sleep(0.002)
""",
    "litterer": """
import os, pathlib
for i in range(1_000_000):
    pathlib.Path(f"{i}").touch()
""",
    "digger": """
import os, time
for _ in range(3000):
    os.mkdir("deeper"); os.chdir("deeper")
print("deep", flush=True)
time.sleep(600)
""",
    "one_file": """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
with open("whole", "wb") as file:
    while True: file.write(bytes(1 << 20))
""",
    "chatterer": """
import sys, time
for i in range(400_000): print(i, "x" * 90)
print("done", flush=True)
time.sleep(600)
""",
    "reserver": """
import ctypes, os, time
libc, keep_size, gib = ctypes.CDLL(None, use_errno=True), 1, ctypes.c_long(1 << 30)
file = os.open("/dev/stdout", os.O_RDWR)
took = libc.fallocate(file, keep_size, ctypes.c_long(0), gib)
print("took" if took == 0 else os.strerror(ctypes.get_errno()), flush=True)
time.sleep(600)
""",
    "eater": """
import os, time
if os.fork() == 0:
    held = bytearray(400 << 20)
time.sleep(600)
""",
    "spinner": """
import os
for _ in range(3): os.fork()
while True: pass
""",
    "prints": "print('x' * 10)",
}
MIB = 1 << 20


@pytest.fixture
def catalogue(home: Path) -> Path:
    for name, program in PROGRAMS.items():
        put_image(home, f"test/{name}:1", program)
    return home


@pytest.fixture(params=["walls", "no walls"])
def runtime(
    catalogue: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> ProcessRuntime:
    if request.param == "no walls":
        without_walls(monkeypatch)
    return ProcessRuntime(catalogue, storage_bytes=64 * MIB)


@pytest.mark.needs("cgroups")
async def test_a_fork_without_end_stops_at_the_limit_and_ends_when_told(catalogue: Path) -> None:
    runtime = ProcessRuntime(catalogue)
    run = await runtime.start(order("bomb", mem_gib=Decimal(2)))

    async def is_full() -> bool:
        return len(tree_of(run)) > 500

    await until(is_full, 30)
    assert len(tree_of(run)) <= 512
    assert (await asyncio.create_subprocess_exec("true")) is not None, "the machine still starts processes"
    assert (await runtime.status(run)).alive
    began = time.monotonic()
    await runtime.stop(run, 0)
    assert time.monotonic() - began < 10
    assert not psutil.pid_exists(int(run.detail["payload_pid"]))
    await runtime.remove(run)


async def test_a_fork_without_end_ends_where_nothing_but_the_guard_counts(
    catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_walls(monkeypatch)
    monkeypatch.setattr("agent.runtimes.guarded.confinement._running_as", lambda uid: 0)
    runtime = ProcessRuntime(catalogue)
    run = await runtime.start(order("bomb", mem_gib=Decimal(64)))
    assert re.match("killed: [0-9]+ processes, 512 are allowed", await end_of(runtime, run, 60))


async def test_it_lets_one_write_as_much_as_it_rents(catalogue: Path) -> None:
    """More than others may, and no more than that."""
    runtime = ProcessRuntime(catalogue, storage_bytes=4 * MIB)
    run = await runtime.start(order("hoarder", storage_gib=Decimal("0.0625")))
    assert (await end_of(runtime, run, 20)).startswith("killed: out of disk (64 MiB are rented)")
    await runtime.remove(run)
    whole = await runtime.start(order("one_file", storage_gib=Decimal("0.0625")))
    assert "beyond the 64 MiB of disk" in await end_of(runtime, whole, 20)


async def test_it_ends_what_fills_its_disk(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("hoarder"))
    assert (await end_of(runtime, run, 20)).startswith("killed: out of disk (64 MiB are rented)")
    held = sum(file.stat().st_size for file in Path(str(run.detail["folder"]), "files").iterdir())
    assert held < 1024 * MIB
    await runtime.remove(run)
    assert not Path(str(run.detail["folder"])).exists()


async def test_it_counts_empty_files_too(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("litterer"))
    assert (await end_of(runtime, run, 40)).startswith("killed: out of disk")
    await runtime.remove(run)


async def test_it_ends_what_writes_one_file_without_end(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("one_file"))
    assert (await end_of(runtime, run, 20)).startswith("killed: ")
    assert Path(str(run.detail["folder"]), "files", "whole").stat().st_size <= 64 * MIB


async def test_it_clears_away_however_deep_somebody_dug(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("digger"))
    assert "can't be measured" in await end_of(runtime, run, 20)
    await runtime.remove(run)
    assert not Path(str(run.detail["folder"])).exists()


async def test_it_can_not_take_the_machines_disk_by_its_log(runtime: ProcessRuntime) -> None:
    """What is taken beyond the end of a file is in no limit on its size."""
    run = await runtime.start(order("reserver"))
    said = await until(lambda: runtime.logs(run, 1))
    assert said == b"took\n"
    log = Path(str(run.detail["folder"]), "log")

    async def is_given_back() -> bool:
        return log.stat().st_blocks * 512 <= 11 * MIB

    await until(is_given_back, 5)
    assert await runtime.logs(run, 1) == b"took\n"
    await runtime.stop(run, 0)


async def test_its_log_stays_short_and_its_end_is_kept(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("chatterer"))

    async def is_done() -> bool:
        return (await runtime.logs(run, 1)) == b"done\n"

    await until(is_done, 30)

    async def is_short() -> bool:
        return (
            sum(Path(str(run.detail["folder"]), name).stat().st_size for name in ("log", "log.1")) <= 21 * MIB
        )

    await until(is_short, 5)
    lines = (await runtime.logs(run, 500)).splitlines()
    assert len(lines) == 500
    assert lines[0].startswith(b"399501 x"), "also those from before it was cut"
    await runtime.stop(run, 0)


async def test_it_says_so_when_memory_is_used_up(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("eater"))
    reason = await end_of(runtime, run, 20)
    assert reason.startswith("killed: out of memory (")
    assert "102 MiB are rented" in reason


@pytest.mark.needs("cgroups")
async def test_it_spins_no_faster_than_is_rented(catalogue: Path) -> None:
    runtime = ProcessRuntime(catalogue)
    run = await runtime.start(order("spinner", cpu_threads=Decimal("0.5")))

    async def is_spinning() -> bool:
        return len(tree_of(run)) == 8

    await until(is_spinning)
    before, began = (await runtime.usage(run)).cpu_ms, time.monotonic()
    await asyncio.sleep(3)
    used = ((await runtime.usage(run)).cpu_ms - before) / 1000 / (time.monotonic() - began)
    assert used <= 0.56
    await runtime.stop(run, 0)


@pytest.mark.needs("cgroups")
async def test_its_use_is_what_the_kernel_counted(catalogue: Path) -> None:
    """Also after the end, and when its guard was killed before it could write anything down."""
    runtime = ProcessRuntime(catalogue)
    run = await runtime.start(order("spinner"))

    async def used_ms() -> int:
        used = (await runtime.usage(run)).cpu_ms
        return used if used > 300 else 0

    before = await until(used_ms, 20)
    os.kill(int(run.detail["guard_pid"]), 9)
    await end_of(runtime, run)
    assert (await runtime.usage(run)).cpu_ms >= before
    await runtime.remove(run)


@pytest.mark.needs("cgroups")
async def test_it_leaves_no_group_behind(catalogue: Path) -> None:
    runtime = ProcessRuntime(catalogue)
    run = await runtime.start(order("prints"))
    await end_of(runtime, run)
    await runtime.remove(run)
    assert not list(Path("/sys/fs/cgroup").glob(f"*/hive/{run.assignment_id}"))


def test_it_measures_a_little_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_use, "_FILES_A_LOOK", 10)
    for number in range(25):
        (tmp_path / str(number)).touch()
    disk = disk_use.Disk([str(tmp_path), str(tmp_path / "none")], 24 * 4096)
    assert [disk.look(), disk.look()] == ["", ""]
    assert disk.look() == "killed: out of disk (0 MiB are rented)"
    (tmp_path / "0").unlink()
    again = disk_use.Disk([str(tmp_path)], 24 * 4096)
    assert [again.look() for _ in range(6)] == [""] * 6, "and begins anew when it is through"
