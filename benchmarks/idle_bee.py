"""What a Bee costs the machine of its owner while it is online and nobody rents it.

The agent is joined to a real Queen with every runtime that this machine has, and left alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.figure import Figure
from benchmarks.serving import enrolment_token, serving

WINDOW_S = float(os.environ.get("HIVE_BENCH_WINDOW_S", 60))
SETTLE_S = 50.0
"""Self-tests, greeting, first offers and the first benchmark, 10 to 30 s after them, are over by then."""
MEMORY_MB, CPU_PERCENT = 60.0, 1.0
AGENT = [sys.executable, "-m", "agent"]
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Cost:
    rss_mb: float
    pss_mb: float
    """Its own share of what it shares with other processes."""
    cpu_percent: float
    """Of one core, everything it started included."""
    runtimes: int


def measure() -> list[Figure]:
    # The heartbeat of a real Hive; as many Bees as there may be ask for rarer ones.
    with serving({}) as hive, _idle_bee(hive.portal_url, enrolment_token(hive)) as (process, runtimes):
        time.sleep(SETTLE_S)
        return _figures(_watch(process, runtimes))


@contextmanager
def _idle_bee(url: str, token: str) -> Iterator[tuple[psutil.Process, int]]:
    """A running agent and how many runtimes it offers."""
    with tempfile.TemporaryDirectory(prefix="hive-bench-bee-") as folder:
        home = str(Path(folder, "bee"))
        joined = subprocess.run(
            [*AGENT, "join", url, token, "--home", home, "-o", "json"],
            check=True,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        agent = subprocess.Popen([*AGENT, "run", "--home", home], cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            yield psutil.Process(agent.pid), len(json.loads(joined.stdout)["runtimes"])
        finally:
            agent.terminate()
            agent.wait(30)


def _watch(process: psutil.Process, runtimes: int) -> Cost:
    before_s, begun = _cpu_s(process), time.monotonic()
    time.sleep(WINDOW_S)
    spent_s, memory = _cpu_s(process) - before_s, process.memory_full_info()
    return Cost(
        rss_mb=round(memory.rss / 1e6, 1),
        pss_mb=round(memory.pss / 1e6, 1),
        cpu_percent=round(100 * spent_s / (time.monotonic() - begun), 2),
        runtimes=runtimes,
    )


def _cpu_s(process: psutil.Process) -> float:
    """With its children, those that have ended included."""
    times = [process.cpu_times(), *(child.cpu_times() for child in process.children(recursive=True))]
    return float(sum(sum(each[:4]) for each in times))


def _figures(cost: Cost) -> list[Figure]:
    return [
        Figure(
            name="idle bee: memory",
            value=cost.rss_mb,
            unit="MB",
            peer="limit",
            peer_value=MEMORY_MB,
            target=1.0,
            at_least=False,
            note=f"resident; proportional {cost.pss_mb} MB; {cost.runtimes} runtimes offered",
        ),
        Figure(
            name="idle bee: CPU",
            value=cost.cpu_percent,
            unit="% of a core",
            peer="limit",
            peer_value=CPU_PERCENT,
            target=1.0,
            at_least=False,
            note=f"over {WINDOW_S:.0f} s, everything it starts included",
        ),
    ]
