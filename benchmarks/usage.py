"""Usage reports stored a second, once each and in their chains, beside bare COPY of the same rows.

The peer writes the same rows with the same client into a table with the same indexes and checks, and without
any guard: it looks at nothing, so it could store a row twice or one that follows nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from benchmarks.figure import Figure
from benchmarks.metered_hive import analyze, key_of, settle_in, signed
from benchmarks.queen import queen

if TYPE_CHECKING:
    from agent.protocol import Usage

    Said = dict[tuple[str, UUID], list[Usage]]

NODES, EACH = 100, 10
SLICES, REPORTS = 10, 20
"""So often so many reports of each agreement are taken in."""
ROWS = NODES * EACH * REPORTS
ENOUGH_PER_S = 10_000.0
COLUMNS = (
    "agreement_id, sequence, previous_hash, hash, signature, started_at_ms, ended_at_ms, running_ms, cpu_ms,"
    " egress_bytes, final, state, received_at, reduced_because"
)


class Took(NamedTuple):
    """Seconds for one slice."""

    check: float
    store: float
    bare: float
    again: float


def measure() -> Iterator[Figure]:
    with queen():
        from django.db import connection

        slices = _slices()
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bare (LIKE billing_usagerecord INCLUDING ALL)")
        analyze()
        took = [_take_in(said) for said in slices]
    typical = Took(*(median(times) for times in zip(*took, strict=True)))
    yield Figure(
        name="usage",
        value=ROWS / typical.store,
        unit="reports/s",
        peer="bare COPY of the same rows",
        peer_value=ROWS / typical.bare,
        target=0.5,
        note=f"median of {SLICES} times {ROWS:,} reports of {NODES * EACH:,} agreements, their signatures"
        f" checked before; {ROWS / typical.again:,.0f}/s when all of them come again",
    )
    yield Figure(
        name="usage: signed",
        value=ROWS / (typical.check + typical.store),
        unit="reports/s",
        peer="as many as are to be rated",
        peer_value=ENOUGH_PER_S,
        target=1,
        note=f"the same with each signature checked, {typical.check / ROWS * 1e6:.0f} µs each on one core",
    )
    yield Figure(
        name="usage: growth",
        value=math.log10(sum(each.store for each in took) / took[0].store),
        unit="exponent",
        peer="linear",
        peer_value=1,
        target=1.1,
        at_least=False,
        note=f"{took[0].store:.2f} s for the first {ROWS:,}, {sum(each.store for each in took):.2f} s for"
        f" {SLICES * ROWS:,} of the same agreements",
    )


def _slices() -> list[Said]:
    from django.utils import timezone

    agreements = settle_in(nodes=NODES, teams=20, each=EACH, began=timezone.now() - timedelta(days=7))
    keys = {key.address: key for key in map(key_of, range(1, NODES + 1))}
    chains = {
        (one.node_id, one.pk): signed(one, keys[one.node_id], count=SLICES * REPORTS) for one in agreements
    }
    return [
        {who: chain[first : first + REPORTS] for who, chain in chains.items()}
        for first in range(0, SLICES * REPORTS, REPORTS)
    ]


def _take_in(said: Said) -> Took:
    from apps.billing.metering.intake import judge, store_judged

    judged: dict[int, bool] = {}

    def check() -> int:
        judged.update(judge(said))
        return sum(judged.values())

    check_s = _seconds(check, ROWS)
    bare_s = _seconds(lambda: _copy(said), ROWS)
    store_s = _seconds(lambda: store_judged(said, judged=judged), ROWS)
    again_s = _seconds(lambda: store_judged(said, judged={}), 0)
    return Took(check=check_s, store=store_s, bare=bare_s, again=again_s)


def _seconds(work: Callable[[], int], expected: int) -> float:
    begun = time.perf_counter()
    done = work()
    took_s = time.perf_counter() - begun
    if done != expected:
        raise RuntimeError(f"{done} reports instead of {expected}")
    return took_s


def _copy(said: Said) -> int:
    from django.db import connection, transaction
    from django.utils import timezone

    now = timezone.now().isoformat()
    statement = f"COPY bare ({COLUMNS}) FROM STDIN"
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
        for (_, agreement), reports in said.items():
            for report in reports:
                copy.write_row(_row(str(agreement), report, now))
    return sum(map(len, said.values()))


def _row(agreement: str, report: Usage, now: str) -> tuple[Any, ...]:
    return (
        agreement,
        report.sequence,
        report.previous_hash,
        report.hash,
        report.signature,
        report.started_at_ms,
        report.ended_at_ms,
        report.running_ms,
        report.cpu_ms,
        report.egress_bytes,
        report.final,
        "received",
        now,
        "",
    )
