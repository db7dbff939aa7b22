"""Usage records rated and posted a second, as the Queen does it, and how that grows with them.

The figure is by the clock on the wall; beside it stands what worker and database computed of it. Growth is of
the computing: what else the machine does bends that least.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import timedelta

from benchmarks.computing import computed_s
from benchmarks.figure import Figure
from benchmarks.metered_hive import analyze, settle_in, use
from benchmarks.queen import queen

NODES, EACH, TEAMS = 100, 10, 20
REPORTS, ROUNDS = 20, 11
"""So many reports of each agreement, so often: the first time, and then ten times as many again."""
RECORDS = NODES * EACH * REPORTS
TARGET_PER_S = 10_000.0


def measure() -> Iterator[Figure]:
    with queen():
        from django.utils import timezone

        settle_in(nodes=NODES, teams=TEAMS, each=EACH, began=timezone.now() - timedelta(days=7))
        rounds = [_round_s(number) for number in range(ROUNDS)]
        _check()
    passed_s = sum(passed for passed, _ in rounds[1:])
    first_s, many_s = rounds[0][1], sum(computed for _, computed in rounds[1:])
    yield Figure(
        name="rating",
        value=(ROUNDS - 1) * RECORDS / passed_s,
        unit="records/s",
        peer="the limit",
        peer_value=TARGET_PER_S,
        target=1,
        note=f"{(ROUNDS - 1) * RECORDS:,} records of {NODES * EACH:,} agreements of {TEAMS} teams by one"
        f" worker; {many_s / (ROUNDS - 1) / RECORDS * 1e6:.0f} µs of computing each, the database's included;"
        " the ledger proven at the end",
    )
    yield Figure(
        name="rating: growth",
        value=math.log(many_s / first_s, ROUNDS - 1),
        unit="exponent",
        peer="linear",
        peer_value=1,
        target=1.1,
        at_least=False,
        note=f"{first_s:.2f} s for the first {RECORDS:,} records, {many_s:.2f} s for"
        f" {(ROUNDS - 1) * RECORDS:,} more of the same agreements",
    )


def _round_s(number: int) -> tuple[float, float]:
    """Seconds that passed, and seconds of computing in them."""
    from apps.billing.metering.rating import rate_usage

    use(first=number * REPORTS + 1, last=(number + 1) * REPORTS)
    analyze()
    begun, begun_computing = time.perf_counter(), computed_s()
    rated = rate_usage()
    took_s = time.perf_counter() - begun, computed_s() - begun_computing
    if rated != RECORDS:
        raise RuntimeError(f"{rated} reports were rated instead of {RECORDS}")
    return took_s


def _check() -> None:
    from apps.billing.ledger.posting import check_ledger

    if wrong := check_ledger():
        raise RuntimeError("; ".join(wrong))
