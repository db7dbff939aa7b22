"""What each runtime costs: one small job run by all of them on this machine, beside the same job run bare.

Writes docs/runtimes.md, and a row of docs/benchmarks.md for the speed of each.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import psutil

from agent import clock
from agent.protocol import Assignment, Workload
from agent.runtimes.base import Order, Run, Runtime
from benchmarks import job, runtimes_page
from benchmarks.figure import Figure

RUNS = 5
WITHIN_S = 120.0
STEP_S = 0.002
MOST_TIMES_BARE = {"docker": 1.1, "process": 1.1, "qemu": 1.5, "wasm": 1.5}
IMAGE = "hive/job:1"
_TOOK = re.compile(r"(\d+) ms")
MACHINE_IMAGE = Path(__file__).resolve().parent.parent / "scripts" / "machine_image.py"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Of one runtime: median start and memory beyond the bare job, best time of the job, size of image."""

    runtime: str
    version: str
    start_s: float
    overhead_mib: float
    job_s: float
    bare_s: float
    image_bytes: int


@dataclass(frozen=True)
class Candidate:
    runtime: Runtime
    image_bytes: int
    roots: Callable[[Run], list[psutil.Process]]
    """What was started for this run alone."""


def measure() -> Iterator[Figure]:
    folder = Path(tempfile.mkdtemp(prefix="hive-bench-"))
    try:
        measured = asyncio.run(_measure_all(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = [_figure(each) for each in measured]
    runtimes_page.write(measured, machine=figures[0].machine, date=figures[0].date)
    yield from figures


async def _measure_all(folder: Path) -> list[Measured]:
    program = job.program(folder)
    home = folder / "bee"
    found = []
    for make in (_process, _docker, _wasm, _qemu):
        candidate = await make(home, program)
        await candidate.runtime.self_test()
        bare_s, bare_bytes = _bare(program)
        found.append(await _measure(candidate, bare_s, bare_bytes))
    return found


async def _measure(candidate: Candidate, bare_s: float, bare_bytes: int) -> Measured:
    runtime = candidate.runtime
    await runtime.prepare(_order(runtime.name).assignment.workload)
    starts, jobs, used = [], [], []
    for _ in range(RUNS):
        run, start_s = await _start(runtime)
        said = await _said(runtime, run, lambda text: _TOOK.search(text) is not None)
        starts.append(start_s)
        jobs.append(int(_TOOK.findall(said)[-1]) / 1000)
        used.append(sum(_resident_bytes(root) for root in candidate.roots(run)))
        await _end(runtime, run)
    return Measured(
        runtime=runtime.name,
        version=runtime.version,
        start_s=statistics.median(starts),
        overhead_mib=(statistics.median(used) - bare_bytes) / (1 << 20),
        job_s=min(jobs),
        bare_s=bare_s,
        image_bytes=candidate.image_bytes,
    )


async def _start(runtime: Runtime) -> tuple[Run, float]:
    """The run, and the seconds until the job's first word."""
    begun = time.perf_counter()
    run = await runtime.start(_order(runtime.name))
    await _said(runtime, run, lambda text: "up" in text.split())
    return run, time.perf_counter() - begun


async def _said(runtime: Runtime, run: Run, enough: Callable[[str], bool]) -> str:
    async with asyncio.timeout(WITHIN_S):
        while not enough(text := (await runtime.logs(run, 50)).decode(errors="replace")):
            if not (status := await runtime.status(run)).alive:
                raise RuntimeError(f"{runtime.name}: the job {status.reason}")
            await asyncio.sleep(STEP_S)
    return text


async def _end(runtime: Runtime, run: Run) -> None:
    await runtime.stop(run, 0)
    await runtime.remove(run)


def _order(runtime: str) -> Order:
    workload = Workload(
        image=IMAGE, runtime=runtime, cpu_threads=Decimal(1), mem_gib=Decimal("0.25"), stop_grace_s=0
    )
    return Order(
        assignment=Assignment(
            assignment_id=str(uuid.uuid4()),
            agreement_id="bench",
            replica="job-1",
            generation=1,
            lease_s=600,
            workload=workload,
        ),
        node_id="0xbench",
        advertise="127.0.0.1",
        lease_until_s=clock.boot_s() + 600,
    )


# -- the job, bare and in each runtime --------------------------------------------------------------------


def _bare(program: Path) -> tuple[float, int]:
    """(seconds of the fastest run, resident bytes) of the job without any runtime."""
    runs = [_run_bare(program) for _ in range(RUNS)]
    return min(seconds for seconds, _ in runs), runs[0][1]


def _run_bare(program: Path) -> tuple[float, int]:
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        took_ms = int(process.stdout.readline().split()[0])
        used = psutil.Process(process.pid).memory_full_info().pss
        process.kill()
    return took_ms / 1000, used


async def _process(home: Path, program: Path) -> Candidate:
    from agent.runtimes.process import ProcessRuntime

    folder = _put(home / "process", {"entrypoint": ["./job"]})
    shutil.copy(program, folder / "job")
    return Candidate(ProcessRuntime(home / "process"), _size(folder), _guard)


async def _wasm(home: Path, program: Path) -> Candidate:
    from agent.runtimes.wasm.runtime import WasmRuntime

    folder = _put(home / "wasm", {})
    (folder / "module.wasm").write_bytes(job.module())
    return Candidate(WasmRuntime(home / "wasm"), _size(folder), _guard)


async def _docker(home: Path, program: Path) -> Candidate:
    import docker

    from agent.runtimes.docker.runtime import DockerRuntime

    client = docker.from_env()
    client.api.import_image_from_data(
        job.file_system(program), repository="hive/job", tag="1", changes=['CMD ["/job"]']
    )
    size = int(client.images.get(IMAGE).attrs["Size"])
    return Candidate(DockerRuntime.detect("0xbench", home=home / "docker"), size, _shim)


async def _qemu(home: Path, program: Path) -> Candidate:
    from agent.runtimes.qemu.runtime import QemuRuntime

    folder = home / "qemu" / "images" / "hive" / "job" / "1"
    command = [sys.executable, MACHINE_IMAGE, folder, "--program", program, "--no-agent"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Candidate(QemuRuntime(home / "qemu"), _size(folder), _guard)


def _put(home: Path, image: dict[str, object]) -> Path:
    folder = home / "images" / "hive" / "job" / "1"
    folder.mkdir(parents=True)
    (folder / "image.json").write_text(json.dumps(image))
    return folder


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


# -- memory -----------------------------------------------------------------------------------------------


def _guard(run: Run) -> list[psutil.Process]:
    return [psutil.Process(int(run.detail["guard_pid"]))]


def _shim(run: Run) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if run.run_id in (each.info["cmdline"] or [])]


def _resident_bytes(root: psutil.Process) -> int:
    """Proportional set size of a process and all below it: pages that are shared are counted once."""
    tree = [root, *root.children(recursive=True)]
    return sum(each.memory_full_info().pss for each in tree)


def _figure(measured: Measured) -> Figure:
    return Figure(
        name=f"runtime {measured.runtime}",
        value=measured.job_s,
        unit="s",
        peer="the same job, bare",
        peer_value=measured.bare_s,
        target=MOST_TIMES_BARE[measured.runtime],
        at_least=False,
        note=f"{job.STEPS:,} xorshift steps; start and memory in [runtimes.md](runtimes.md)",
    )
