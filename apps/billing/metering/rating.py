"""Rating: what a usage report costs, posted from the hold to what is payable to the node.

Billed is the least of what three sides saw: the Bee's signed counters, the Queen's own watch (when she heard
the node, and for how long its lease was funded), and the edge's traffic.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import takewhile

from django.db import transaction
from django.db.models import Max, Sum
from django.utils import timezone

from agent.protocol import Price
from apps.billing.budgets.models import Hold, HoldState
from apps.billing.ledger.accounts import Transfer, TransferKind
from apps.billing.ledger.posting import payable_account, post_all
from apps.billing.metering.faults import Fault, write_faults
from apps.billing.metering.models import EdgeTraffic, MeteringFaultKind, UsageRecord, UsageState
from apps.market.models import Agreement
from apps.money import ZERO, plain
from apps.nodes import presence

log = logging.getLogger("hive.billing")

RATE_WITHIN = timedelta(minutes=1)
"""After so long a report is rated with what is known of the node by then."""


@dataclass(frozen=True)
class Reported:
    """The Bee's side. `egress_bytes` counts from the start of the agreement, as the edge's does."""

    running_ms: int
    cpu_ms: int
    egress_bytes: int = 0


@dataclass(frozen=True)
class Watched:
    """Our side of the same interval; `edge_bytes` since the start of the agreement."""

    passed_ms: int
    leased_ms: int
    heard_ms: int
    cpu_threads: Decimal
    edge_bytes: int = 0


QUOTA_PERIOD_MS = 100
"""Kernels grant CPU time by periods of so long (CFS bandwidth control), so an honest count may be ahead of
what is rented by one. It is not billed, and nobody's fault."""


@dataclass(frozen=True)
class Billed:
    """What all sides agree on at least. `egress_bytes` is that of this interval alone."""

    running_ms: int
    cpu_ms: int
    egress_bytes: int
    cost_glm: Decimal
    reduced_because: str = ""


def bill(
    *, reported: Reported, watched: Watched, price: Price, first: bool, egress_billed_bytes: int = 0
) -> Billed:
    """The least of what Bee, Queen, lease and edge say, at the agreement's own price; rounded once.

    CPU time shrinks in proportion to running time, and never exceeds what was rented. `first` adds the start
    price, provided that anything ran. `egress_billed_bytes` was billed for earlier intervals.
    """
    limit_ms, limit = min(
        (watched.passed_ms, "that much time passed"),
        (watched.leased_ms, "the lease covers"),
        (watched.heard_ms, "the Queen heard the node for"),
    )
    running_ms = min(reported.running_ms, limit_ms)
    share_ms = reported.cpu_ms * running_ms // reported.running_ms if reported.running_ms else 0
    cpu_ms = min(share_ms, int(running_ms * watched.cpu_threads))
    egress = max(min(reported.egress_bytes, watched.edge_bytes) - egress_billed_bytes, 0)
    cost = price.cost_glm(
        duration_s=_seconds(running_ms),
        cpu_s=_seconds(cpu_ms),
        egress_bytes=egress,
        first=first and running_ms > 0,
    )
    return Billed(running_ms, cpu_ms, egress, cost, _why(reported, running_ms, limit, cpu_ms, share_ms))


def _why(reported: Reported, running_ms: int, limit: str, cpu_ms: int, share_ms: int) -> str:
    if running_ms < reported.running_ms:
        return f"{_seconds(reported.running_ms)} s reported, {limit} {_seconds(running_ms)} s"
    if cpu_ms + QUOTA_PERIOD_MS < share_ms:
        return f"{_seconds(share_ms)} CPU seconds reported, {_seconds(cpu_ms)} were rented"
    return ""


def _seconds(ms: int) -> Decimal:
    return Decimal(ms).scaleb(-3)


# -- the process ------------------------------------------------------------------------------------------


def rate_usage() -> int:
    """Rate and post what was received, agreement by agreement. Returns how many reports were posted.

    Reports of an agreement without a hold wait: nothing was leased on it yet. One agreement that
    can't be rated holds up no other.
    """
    waiting = UsageRecord.objects.filter(state=UsageState.RECEIVED, agreement__hold__isnull=False)
    agreements = waiting.order_by("agreement_id").values_list("agreement", flat=True).distinct()
    posted = 0
    for agreement_id in list(agreements[:2000]):
        try:
            posted += rate_agreement(agreement_id)
        except Exception:
            log.exception("usage of agreement %s can't be rated; it waits", agreement_id)
    return posted


@transaction.atomic
def rate_agreement(agreement_id: uuid.UUID) -> int:
    """Rate an agreement's reports in their order, under its hold's lock; 0 while another worker does."""
    hold = (
        Hold.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("agreement__node", "budget__held")
        .filter(agreement=agreement_id)
        .first()
    )
    if hold is None:
        return 0
    records = _ripe(agreement_id, node_id=hold.agreement.node_id if hold.agreement else "")
    sofar = _Sofar.of(agreement_id)
    faults = [fault for record in records for fault in _rate(record, hold=hold, sofar=sofar)]
    _post(records, hold)
    write_faults((agreement_id, fault) for fault in faults)
    return len(records)


def _ripe(agreement_id: uuid.UUID, *, node_id: str) -> list[UsageRecord]:
    """What can be rated by now, in its order: how long the Queen heard the node must be settled first."""
    settled_until_ms, patience = presence.settled_until_ms(node_id), timezone.now() - RATE_WITHIN
    records = UsageRecord.objects.filter(agreement=agreement_id, state=UsageState.RECEIVED)
    return list(
        takewhile(
            lambda record: record.ended_at_ms <= settled_until_ms or record.received_at < patience,
            records.order_by("sequence"),
        )
    )


@dataclass
class _Sofar:
    """What earlier reports of the agreement came to."""

    ended_at_ms: int
    has_run: bool
    egress_bytes: int
    egress_billed_bytes: int
    edge_bytes: int

    @classmethod
    def of(cls, agreement_id: uuid.UUID) -> _Sofar:
        posted = UsageRecord.objects.filter(agreement=agreement_id, state=UsageState.POSTED).aggregate(
            ended=Max("ended_at_ms"),
            ran=Max("billed_running_ms"),
            egress=Sum("egress_bytes"),
            billed=Sum("billed_egress_bytes"),
        )
        edge = EdgeTraffic.objects.filter(agreement=agreement_id).aggregate(all=Sum("egress_bytes"))["all"]
        return cls(
            ended_at_ms=posted["ended"] or 0,
            has_run=bool(posted["ran"]),
            egress_bytes=int(posted["egress"] or 0),
            egress_billed_bytes=int(posted["billed"] or 0),
            edge_bytes=int(edge or 0),
        )


def _rate(record: UsageRecord, *, hold: Hold, sofar: _Sofar) -> list[Fault]:
    """Fill in what is billed of the report, and move hold and sums on. Returns the disagreements."""
    assert hold.agreement is not None
    sofar.egress_bytes += record.egress_bytes
    billed = bill(
        reported=Reported(record.running_ms, record.cpu_ms, sofar.egress_bytes),
        watched=_watched(record, hold=hold, sofar=sofar),
        price=hold.agreement.price,
        first=not sofar.has_run,
        egress_billed_bytes=sofar.egress_billed_bytes,
    )
    faults = [Fault(MeteringFaultKind.OVERCLAIM, record.sequence, billed.reduced_because)]
    cost, shortage = _funded(billed.cost_glm, hold)
    faults.append(Fault(MeteringFaultKind.UNFUNDED, record.sequence, shortage))
    record.billed_running_ms, record.billed_cpu_ms = billed.running_ms, billed.cpu_ms
    record.billed_egress_bytes, record.cost_glm = billed.egress_bytes, cost
    record.reduced_because = "; ".join(filter(None, [billed.reduced_because, shortage]))[:200]
    record.state = UsageState.POSTED
    hold.posted += cost
    sofar.ended_at_ms = max(sofar.ended_at_ms, record.ended_at_ms)
    sofar.has_run = sofar.has_run or billed.running_ms > 0
    sofar.egress_billed_bytes += billed.egress_bytes
    return [fault for fault in faults if fault.detail]


def _watched(record: UsageRecord, *, hold: Hold, sofar: _Sofar) -> Watched:
    """Our side of the report's time; what an earlier report claimed already is not counted again."""
    agreement = hold.agreement
    assert agreement is not None
    # Nothing has happened yet that would happen after the report came in.
    start_ms = max(record.started_at_ms, sofar.ended_at_ms)
    end_ms = min(record.ended_at_ms, _ms(record.received_at))
    if end_ms <= start_ms:
        return Watched(0, 0, 0, agreement.cpu_threads, sofar.edge_bytes)
    leased_from, leased_until = lease(hold, agreement)
    return Watched(
        passed_ms=end_ms - start_ms,
        leased_ms=max(min(end_ms, leased_until) - max(start_ms, leased_from), 0),
        heard_ms=presence.heard_ms(agreement.node_id, start_ms, end_ms),
        cpu_threads=agreement.cpu_threads,
        edge_bytes=sofar.edge_bytes,
    )


def lease(hold: Hold, agreement: Agreement) -> tuple[int, int]:
    """Leased time in Unix ms: from the approval to the hold's end, or the agreement's if that was earlier."""
    ends = [at for at in (hold.deadline_at or hold.state_since, agreement.ended_at) if at is not None]
    return _ms(agreement.approved_at or agreement.valid_from), _ms(min(ends))


def _funded(cost_glm: Decimal, hold: Hold) -> tuple[Decimal, str]:
    """What of the cost the hold can pay, and what to say of the rest."""
    left = hold.left_glm if hold.state == HoldState.HELD else ZERO
    if cost_glm <= left:
        return cost_glm, ""
    return left, f"cost {plain(cost_glm)} GLM, {plain(left)} GLM were left of its hold"


def _post(records: list[UsageRecord], hold: Hold) -> None:
    assert hold.agreement is not None
    payable = payable_account(hold.agreement.node)
    post_all(
        [
            Transfer(
                key=record.posting_key,
                kind=TransferKind.USAGE,
                debit=hold.budget.held,
                credit=payable,
                amount=record.cost_glm,
                reference=f"hold:{hold.id}",
            )
            for record in records
            if record.cost_glm
        ]
    )
    UsageRecord.objects.bulk_update(records, _RATED, batch_size=500)
    hold.save(update_fields=["posted"])


_RATED = ["billed_running_ms", "billed_cpu_ms", "billed_egress_bytes", "cost_glm", "reduced_because", "state"]


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
