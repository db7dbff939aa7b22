"""What thousands of connected Bees cost the Queen: links, memory, CPU, rows.

The Queen is `hive serve` as it is: one uvicorn process, Celery with its sweeps, PostgreSQL and Redis. The
Bees (`null_bee.py`) live in this process.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from apps.nodes.silence import REATTACH_S
from benchmarks.figure import Figure
from benchmarks.null_bee import NullBee
from benchmarks.serving import enrolment_tokens
from hive_portal.serve import Hive
from hive_portal.stack import HiveHome, ports

BEES = int(os.environ.get("HIVE_BENCH_BEES", 4_000))
WINDOW_S = float(os.environ.get("HIVE_BENCH_WINDOW_S", 60))
WARM_UP = 100
"""Joined before the memory is read first: imports, threads and connections are no Bee's."""
AT_ONCE = 50
"""Bees that join at the same time."""
HEARTBEAT_S = 10
SETTLE_S = 2 * HEARTBEAT_S
"""After the last one has joined, until the joining no longer shows."""


def measure() -> list[Figure]:
    with _hive() as hive:
        return asyncio.run(_measure(hive))


async def _measure(hive: Hive) -> list[Figure]:
    url = hive.portal_url.replace("http", "ws", 1)
    bees = [NullBee(url, token) for token in await asyncio.to_thread(enrolment_tokens, hive, BEES)]
    async with asyncio.TaskGroup() as group:
        lives = await _join(bees[:WARM_UP], group)
        await asyncio.sleep(SETTLE_S)
        warm = _read(hive, bees)
        begun = time.monotonic()
        lives += await _join(bees[WARM_UP:], group)
        joins_s = (len(bees) - WARM_UP) / (time.monotonic() - begun)
        await asyncio.sleep(SETTLE_S)
        first = _read(hive, bees)
        await asyncio.sleep(WINDOW_S)
        last = _read(hive, bees)
        for bee in bees:
            bee.fall_silent()
        await asyncio.sleep(2)  # what was said is in the database by then, or it never will be
        end = _read(hive, bees)
        dropped = [bee.lost for bee in bees if bee.lost]
        return_s = await _return(bees)
        for life in lives:
            life.cancel()
    print(*sorted(set(dropped)), sep="\n", end="", flush=True)
    return [
        *_figures(warm, first, last, end, dropped=len(dropped), joins_s=joins_s),
        Figure(
            name="bees: return",
            value=return_s,
            unit="s",
            peer="the time they have",
            peer_value=REATTACH_S,
            target=1,
            at_least=False,
            note=f"until {len(bees)} bees are back after the web process was killed, its start included",
        ),
    ]


@contextmanager
def _hive() -> Iterator[Hive]:
    folder = Path(tempfile.mkdtemp(prefix="hive-bench-"))
    port = ports.find()
    environ = {"HIVE_HEARTBEAT_S": str(HEARTBEAT_S)}
    try:
        with Hive(
            HiveHome(folder), port=port, edge_port=ports.find(), chain=False, say=_pass_over, environ=environ
        ) as hive:
            yield hive
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pass_over(line: str) -> None:
    """What the supervisor says belongs to no JSON line."""


async def _join(bees: list[NullBee], group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
    """Returns their lives, once all have joined."""
    room = asyncio.Semaphore(AT_ONCE)

    async def join(bee: NullBee) -> asyncio.Task[None]:
        async with room:
            life = group.create_task(bee.live())
            await bee.joined.wait()
            return life

    return list(await asyncio.gather(*map(join, bees)))


async def _return(bees: list[NullBee]) -> float:
    """Kill the web process, which its supervisor starts again; seconds until every Bee is back."""
    for bee in bees:
        bee.persist()
    begun = time.monotonic()
    _web().kill()
    while not all(bee.joins > 1 and bee.joined.is_set() for bee in bees):
        await asyncio.sleep(0.1)
        if time.monotonic() - begun > 10 * REATTACH_S:
            break
    return time.monotonic() - begun


def _web() -> psutil.Process:
    [web] = [each for each in psutil.Process().children(recursive=True) if "uvicorn" in _command(each)]
    return web


# -- reading -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Counters at one instant."""

    at_s: float
    bees: int
    cpu_s: float
    """Of the web process; `all_cpu_s` of all that is the Queen's, PostgreSQL and Celery included."""
    all_cpu_s: float
    rss_bytes: int
    heartbeats: int
    answers: int
    statistics: int
    rows: int
    """Inserted, updated or deleted since the server was started."""
    commits: int
    wal_bytes: int


def _read(hive: Hive, bees: list[NullBee]) -> Reading:
    processes, web = psutil.Process().children(recursive=True), _web()
    with psycopg.connect(hive.stack.env["DATABASE_URL"], autocommit=True) as connection:
        database = connection.execute(_COUNTERS).fetchone()
    assert database
    return Reading(
        at_s=time.monotonic(),
        bees=sum(bee.joined.is_set() for bee in bees),
        cpu_s=_cpu_s(web),
        all_cpu_s=sum(map(_cpu_s, processes)),
        rss_bytes=web.memory_info().rss,
        heartbeats=sum(bee.heartbeats for bee in bees),
        answers=sum(bee.answers for bee in bees),
        statistics=database[0],
        rows=database[1],
        commits=database[2],
        wal_bytes=int(database[3]),
    )


def _command(process: psutil.Process) -> list[str]:
    """Empty when it has ended meanwhile, as the database's workers do."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _cpu_s(process: psutil.Process) -> float:
    """Its own time and that of its children that have ended."""
    try:
        return sum(process.cpu_times()[:4])
    except psutil.NoSuchProcess:
        return 0.0


_COUNTERS = """
    SELECT (SELECT count(*) FROM nodes_statistic WHERE span_s = 0),
        tup_inserted + tup_updated + tup_deleted, xact_commit, (SELECT wal_bytes FROM pg_stat_wal)
    FROM pg_stat_database WHERE datname = current_database()
"""


# -- figures -----------------------------------------------------------------------------------------------


def _figures(
    warm: Reading, first: Reading, last: Reading, end: Reading, *, dropped: int, joins_s: float
) -> list[Figure]:
    span_s = last.at_s - first.at_s
    beats_s = (last.heartbeats - first.heartbeats) / span_s
    load = f"{last.bees} links, {beats_s:.0f} heartbeats/s, {span_s:.0f} s"
    rows_s, commits_s = (last.rows - first.rows) / span_s, (last.commits - first.commits) / span_s
    wal_kb_s = (last.wal_bytes - first.wal_bytes) / span_s / 1024
    all_cores = (last.all_cpu_s - first.all_cpu_s) / span_s
    return [
        Figure(
            name="bees: dropped",
            value=dropped,
            unit="links",
            peer="links of this run",
            peer_value=last.bees,
            target=0,
            at_least=False,
            note=f"{joins_s:.0f} bees enrolled and joined a second",
        ),
        Figure(
            name="bees: memory",
            value=(first.rss_bytes - warm.rss_bytes) / (first.bees - warm.bees) / 1024,
            unit="KB a bee",
            peer="the limit",
            peer_value=40,
            target=1,
            at_least=False,
            note=f"growth of the web process from {warm.bees} to {first.bees} links, "
            f"{first.rss_bytes / 2**20:.0f} MB in all",
        ),
        Figure(
            name="bees: CPU",
            value=(last.cpu_s - first.cpu_s) / span_s,
            unit="cores",
            peer="the limit",
            peer_value=0.25,
            target=1,
            at_least=False,
            note=f"the web process; {all_cores:.2f} with PostgreSQL, Redis and Celery; {load}",
        ),
        Figure(
            name="bees: statistics",
            value=end.statistics,
            unit="rows",
            peer="heartbeats sent",
            peer_value=end.heartbeats,
            target=1,
            note="stored in the database, from the first heartbeat to the last",
        ),
        Figure(
            name="bees: writes",
            value=rows_s,
            unit="rows/s",
            peer="heartbeats",
            peer_value=beats_s,
            target=4,
            at_least=False,
            note=f"PostgreSQL: {commits_s:.0f} commits/s, {wal_kb_s:.0f} KB/s of WAL; {load}",
        ),
    ]
