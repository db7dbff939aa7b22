"""Rating: what was used is billed by the one formula, and posted from the hold to the node.

Many agreements at once: read in sets, rated one report after the other by plain functions, written in sets.
The accounts, which others want as well, are locked by the last statement before the end.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile

from django.db import transaction
from django.utils import timezone

from apps.billing.budgets.models import Hold, HoldState
from apps.billing.ledger.accounts import TransferKind
from apps.billing.ledger.posting import Entry, payable_accounts, post_entries
from apps.billing.metering import rated
from apps.billing.metering.faults import Fault, write_faults
from apps.billing.metering.meter import Meter, Rated, Report
from apps.billing.metering.models import MeteringFaultKind, MeterReading, posting_key
from apps.market.models import Agreement
from apps.money import ZERO
from apps.nodes import presence
from apps.nodes.silence import Span

log = logging.getLogger("hive.billing")

RATE_WITHIN = timedelta(minutes=1)
"""After so long a report is rated with what is known of the node by then."""
AT_ONCE = 2_000
"""Reports of a transaction: their holds are locked for a fraction of a second."""
AGREEMENTS_AT_ONCE = 500


def rate_usage() -> int:
    """Rate and post what was received. Returns how many reports were posted.

    Reports of an agreement without a hold wait: nothing was leased on it yet. One agreement that
    can't be rated holds up no other.
    """
    return sum(_rate_or_part(part) for part in _in_parts(rated.waiting()))


def _in_parts(waiting: Iterable[tuple[uuid.UUID, int]]) -> Iterator[list[uuid.UUID]]:
    """Agreements whose waiting reports are about `AT_ONCE`; of a longer chain as many are taken at a time."""
    part, count = list[uuid.UUID](), 0
    for agreement_id, reports in waiting:
        if part and (count + reports > AT_ONCE or len(part) == AGREEMENTS_AT_ONCE):
            yield part
            part, count = [], 0
        part.append(agreement_id)
        count += reports
    if part:
        yield part


def _rate_or_part(agreements: list[uuid.UUID]) -> int:
    try:
        return rate_agreements(agreements)
    except Exception:
        if len(agreements) == 1:
            log.exception("usage of agreement %s can't be rated; it waits", agreements[0])
            return 0
        log.warning("usage of %d agreements can't be rated at once: one by one", len(agreements))
        return sum(_rate_or_part([one]) for one in agreements)


@transaction.atomic
def rate_agreements(agreements: Collection[uuid.UUID]) -> int:
    """Rate reports in their order, under the locks of their holds; what another worker has is left to it."""
    holds = {_agreement(hold).pk: hold for hold in _lock(agreements)}
    reports = _ripe(rated.received(holds, limit=AT_ONCE), holds)
    meters = _meters(reports, holds)
    results = {pk: [meters[pk].rate(report) for report in mine] for pk, mine in reports.items()}
    rated.write(results, meters=meters)
    faults = [(pk, fault) for pk, mine in results.items() for each in mine for fault in _faults(each)]
    if faults:
        write_faults(faults)
    _post(results, holds)
    return sum(map(len, results.values()))


def _lock(agreements: Collection[uuid.UUID]) -> Iterable[Hold]:
    return (
        Hold.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("agreement__node", "budget")
        .filter(agreement__in=agreements)
        .order_by("pk")
    )


def _ripe(
    reports: Mapping[uuid.UUID, list[Report]], holds: Mapping[uuid.UUID, Hold]
) -> dict[uuid.UUID, list[Report]]:
    """What can be rated by now, in its order: how long the Queen heard the node must be settled first."""
    nodes = {pk: _agreement(holds[pk]).node_id for pk in reports}
    settled, patience_ms = presence.settled_until_ms(set(nodes.values())), _ms(timezone.now() - RATE_WITHIN)

    def is_ripe(settled_ms: int, report: Report) -> bool:
        return report.ended_at_ms <= settled_ms or report.received_ms < patience_ms

    ripe = {pk: list(takewhile(partial(is_ripe, settled[nodes[pk]]), mine)) for pk, mine in reports.items()}
    return {pk: mine for pk, mine in ripe.items() if mine}


def _meters(
    reports: Mapping[uuid.UUID, Sequence[Report]], holds: Mapping[uuid.UUID, Hold]
) -> dict[uuid.UUID, Meter]:
    readings = rated.readings(reports)
    heard = presence.Hearing(_spans(reports, readings, holds))
    carried = rated.edge_bytes(
        pk
        for pk, mine in reports.items()
        if readings[pk].egress_bytes or any(one.egress_bytes for one in mine)
    )
    return {pk: _meter(holds[pk], readings[pk], heard, edge_bytes=carried.get(pk, 0)) for pk in reports}


def _meter(hold: Hold, reading: MeterReading, heard: presence.Hearing, *, edge_bytes: int) -> Meter:
    agreement = _agreement(hold)
    leased_from_ms, leased_until_ms = lease(hold, agreement)
    return Meter(
        price=agreement.price,
        cpu_threads=agreement.cpu_threads,
        leased_from_ms=leased_from_ms,
        leased_until_ms=leased_until_ms,
        left_glm=hold.left_glm if hold.state == HoldState.HELD else ZERO,
        heard_ms=partial(heard.heard_ms, agreement.node_id),
        ended_at_ms=reading.ended_at_ms,
        has_run=reading.has_run,
        egress_bytes=int(reading.egress_bytes),
        egress_billed_bytes=int(reading.egress_billed_bytes),
        edge_bytes=edge_bytes,
    )


def _spans(
    reports: Mapping[uuid.UUID, Sequence[Report]],
    readings: Mapping[uuid.UUID, MeterReading],
    holds: Mapping[uuid.UUID, Hold],
) -> dict[str, Span]:
    """Of each node, from the first instant to the last of which it will be asked whether it was heard."""
    spans: dict[str, Span] = {}
    for pk, mine in reports.items():
        node_id, earliest_ms = _agreement(holds[pk]).node_id, readings[pk].ended_at_ms
        start = max(min(one.started_at_ms for one in mine), earliest_ms)
        end = max(one.past_ms for one in mine)
        known = spans.get(node_id, (start, start))
        spans[node_id] = min(known[0], start), max(known[1], end)
    return spans


def lease(hold: Hold, agreement: Agreement) -> Span:
    """Leased time in Unix ms: from the approval to the hold's end, or the agreement's if that was earlier."""
    ends = [at for at in (hold.deadline_at or hold.state_since, agreement.ended_at) if at is not None]
    return _ms(agreement.approved_at or agreement.valid_from), _ms(min(ends))


def _faults(result: Rated) -> Iterator[Fault]:
    if result.is_overclaim:
        yield Fault(MeteringFaultKind.OVERCLAIM, result.report.sequence, result.reduced_because)
    if result.shortage:
        yield Fault(MeteringFaultKind.UNFUNDED, result.report.sequence, result.shortage)


def _post(results: Mapping[uuid.UUID, Sequence[Rated]], holds: Mapping[uuid.UUID, Hold]) -> None:
    payable = payable_accounts({_agreement(holds[pk]).node for pk in results})
    entries = list[Entry]()
    for pk, mine in results.items():
        held, earned = holds[pk].budget.held_id, payable[_agreement(holds[pk]).node_id]
        reference = f"hold:{holds[pk].pk}"
        entries += [
            Entry(
                posting_key(pk, one.report.sequence),
                TransferKind.USAGE.value,
                held,
                earned,
                one.cost_glm,
                reference,
            )
            for one in mine
            if one.cost_glm
        ]
    post_entries(entries)


def _agreement(hold: Hold) -> Agreement:
    assert hold.agreement is not None
    return hold.agreement


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
