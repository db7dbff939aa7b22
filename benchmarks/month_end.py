"""A month's end: all invoices, sealed, with proof, taxes collected; and how it grows with the teams."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from benchmarks.figure import Figure
from benchmarks.queen import queen

TEAMS = 1_000
LIMIT_S = 300.0
SIGNED = 3
"""Teams whose invoices are verified at the end, as `hive verify-invoice` does."""


def measure() -> Iterator[Figure]:
    from benchmarks.month_of_usage import REPORTS_PER_TEAM, fill

    with queen():
        tenth_s = min(_tenth_s() for _ in range(3))
        signed = fill(TEAMS, signed=SIGNED)
        whole_s = _month_end_s(teams=TEAMS)
        verified = _verified(signed)
    records = TEAMS * REPORTS_PER_TEAM
    yield Figure(
        name="month end",
        value=whole_s,
        unit="s",
        peer="the limit",
        peer_value=LIMIT_S,
        target=1,
        at_least=False,
        note=f"{TEAMS:,} invoices over {records:,} usage records, {whole_s / records * 1e6:.0f} µs a record;"
        f" {verified:,} reports of {SIGNED} of them verified offline",
    )
    yield Figure(
        name="month end: growth",
        value=math.log10(whole_s / tenth_s),
        unit="exponent",
        peer="linear",
        peer_value=1,
        target=1.1,
        at_least=False,
        note=f"{whole_s:.1f} s for {TEAMS:,} teams, {tenth_s:.1f} s for {TEAMS // 10}, the best of three",
    )


def _tenth_s() -> float:
    from benchmarks.month_of_usage import fill

    fill(TEAMS // 10, signed=0)
    return _month_end_s(teams=TEAMS // 10)


def _month_end_s(*, teams: int) -> float:
    from apps.billing.invoicing.monthly import draw_up_months

    _analyze()
    begun = time.perf_counter()
    count = draw_up_months()
    took_s = time.perf_counter() - begun
    if count != teams:
        raise RuntimeError(f"{count} invoices were drawn up for {teams} teams")
    return took_s


def _analyze() -> None:
    """As the autovacuum of a database at work would have done long before."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _verified(teams: list) -> int:  # type: ignore[type-arg]  # of Team: Django is not set up yet
    """Reports that were checked, signatures and all; raises Wrong if an invoice can't be proven."""
    from apps.billing.invoicing.files import as_json
    from apps.billing.models import Invoice
    from hive_client.proving import prove

    return sum(prove(as_json(invoice)).reports for invoice in Invoice.objects.filter(team__in=teams))
