"""What rating reads and writes, in sets: a fixed number of statements for any number of agreements."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, F, Func, Max, Sum
from django.db.models.functions import Least

from apps.billing.arrays import array
from apps.billing.metering.meter import Meter, Rated, Report
from apps.billing.metering.models import EdgeTraffic, MeterReading, UsageRecord, UsageState

_WAITING = """
    SELECT usage.agreement_id, count(*)
    FROM billing_usagerecord AS usage JOIN billing_hold AS hold ON hold.agreement_id = usage.agreement_id
    WHERE usage.state = 'received'
    GROUP BY usage.agreement_id, hold.budget_id
    ORDER BY hold.budget_id, usage.agreement_id
"""
_RECEIVED = """
    SELECT chain.place, report.*
    FROM unnest(%s::uuid[]) WITH ORDINALITY AS chain (id, place)
    CROSS JOIN LATERAL (
        SELECT id, sequence, started_at_ms, ended_at_ms, running_ms, cpu_ms, egress_bytes,
            floor(extract(epoch FROM received_at) * 1000)::bigint
        FROM billing_usagerecord
        WHERE agreement_id = chain.id AND state = 'received' ORDER BY sequence LIMIT %s
    ) AS report
"""
_RECEIVED_MS = Func(
    F("received_at"),
    template="floor(extract(epoch FROM %(expressions)s) * 1000)::bigint",
    output_field=BigIntegerField(),
)
_WRITE = """
    UPDATE billing_usagerecord AS usage SET
        state = 'posted', billed_running_ms = rated.running_ms, billed_cpu_ms = rated.cpu_ms,
        billed_egress_bytes = rated.egress_bytes, cost_glm = rated.cost,
        reduced_because = left(rated.why, 200)
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::numeric[], %s::text[])
        AS rated (id, running_ms, cpu_ms, egress_bytes, cost, why)
    WHERE usage.id = rated.id AND usage.state = 'received'
"""
_POSTED = """
    UPDATE billing_hold AS hold SET posted = hold.posted + rated.cost
    FROM unnest(%s::uuid[], %s::numeric[]) AS rated (agreement, cost)
    WHERE hold.agreement_id = rated.agreement
"""


def waiting() -> list[tuple[uuid.UUID, int]]:
    """Agreements on which something is held, and how many of their reports wait; those of a budget together,
    so that its accounts are wanted in few transactions."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        return cursor.fetchall()


def received(agreements: Collection[uuid.UUID], *, limit: int) -> dict[uuid.UUID, list[Report]]:
    """The reports that wait, in their order, at most `limit` of each agreement."""
    ids = list(agreements)
    with connection.cursor() as cursor:
        cursor.execute(_RECEIVED, [ids, limit])
        rows = cursor.fetchall()
    chains = groupby(rows, key=itemgetter(0))
    return {ids[place - 1]: [Report(*row[1:]) for row in mine] for place, mine in chains}


def readings(agreements: Collection[uuid.UUID]) -> dict[uuid.UUID, MeterReading]:
    """Where the meters stand. One that was never read is read from the reports that are rated."""
    found = MeterReading.objects.in_bulk(agreements)
    missing = [pk for pk in agreements if pk not in found]
    history: dict[uuid.UUID, Mapping[str, Any]] = {
        row["agreement"]: row
        for row in UsageRecord.objects.filter(agreement__in=missing, state=UsageState.POSTED)
        .order_by()
        .values("agreement")
        .annotate(
            sequence=Max("sequence"),
            ended=Max(Least("ended_at_ms", _RECEIVED_MS)),
            ran=Max("billed_running_ms"),
            egress=Sum("egress_bytes"),
            billed=Sum("billed_egress_bytes"),
        )
    }
    return found | {pk: _reading(pk, history.get(pk, {})) for pk in missing}


def _reading(agreement_id: uuid.UUID, history: Mapping[str, Any]) -> MeterReading:
    return MeterReading(
        agreement_id=agreement_id,
        sequence=history.get("sequence") or 0,
        ended_at_ms=history.get("ended") or 0,
        has_run=bool(history.get("ran")),
        egress_bytes=history.get("egress") or 0,
        egress_billed_bytes=history.get("billed") or 0,
    )


def edge_bytes(agreements: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """What the edge carried under each of these agreements that it carried anything for."""
    carried = EdgeTraffic.objects.filter(agreement__in=list(agreements)).order_by().values("agreement")
    return {row["agreement"]: int(row["all"]) for row in carried.annotate(all=Sum("egress_bytes"))}


def write(results: Mapping[uuid.UUID, Sequence[Rated]], *, meters: Mapping[uuid.UUID, Meter]) -> None:
    """What is billed of each report, what their holds paid, and where the meters stand now."""
    if not results:
        return
    every = [each for mine in results.values() for each in mine]
    costs = [sum(each.cost_glm for each in mine) for mine in results.values()]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, _columns(every))
        if cursor.rowcount != len(every):
            raise RuntimeError(f"{cursor.rowcount} of {len(every)} reports were rated: another has others")
        cursor.execute(_POSTED, [list(results), costs])
    MeterReading.objects.bulk_create(
        [_moved(pk, meters[pk], sequence=mine[-1].report.sequence) for pk, mine in results.items()],
        update_conflicts=True,
        unique_fields=["agreement"],
        update_fields=["sequence", "ended_at_ms", "has_run", "egress_bytes", "egress_billed_bytes"],
    )


def _columns(every: Sequence[Rated]) -> list[str]:
    reports, running_ms, cpu_ms, egress_bytes, costs, reduced, shortages, _ = zip(*every, strict=True)
    whys = ["; ".join(filter(None, pair)) for pair in zip(reduced, shortages, strict=True)]
    ids = [report.pk for report in reports]
    return [array(each) for each in (ids, running_ms, cpu_ms, egress_bytes, costs, whys)]


def _moved(agreement_id: uuid.UUID, meter: Meter, *, sequence: int) -> MeterReading:
    return MeterReading(
        agreement_id=agreement_id,
        sequence=sequence,
        ended_at_ms=meter.ended_at_ms,
        has_run=meter.has_run,
        egress_bytes=meter.egress_bytes,
        egress_billed_bytes=meter.egress_billed_bytes,
    )
