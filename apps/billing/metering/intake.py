"""Taking in what the Bees report: idempotent by (agreement, sequence), and every disagreement kept.

What is stored here is acknowledged with the next `Wanted`; until then the Bee sends it again.
"""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils import timezone

from agent import protocol
from apps.billing.budgets.models import Hold, HoldState
from apps.billing.metering.faults import write_faults
from apps.billing.metering.models import UsageRecord
from apps.billing.metering.usage_chain import Head, Sifted, is_genuine, sift
from apps.billing.providers.debit_notes import note_acks, store_debit_notes
from apps.billing.providers.models import DebitNote
from apps.market.models import Agreement, AgreementState
from apps.money import ZERO

__all__ = ["note_acks", "store_debit_notes", "store_usage", "usage_acks"]

log = logging.getLogger("hive.billing")

_CLOSED = frozenset(HoldState.values) - {HoldState.HELD}
CLOSED_IS_SAID_FOR = timedelta(days=7)
"""How long a Bee is told that an agreement is closed, unless its final debit note says that it knows."""


@transaction.atomic
def store_usage(*, node_id: str, reports: list[protocol.Usage]) -> int:
    """Store the reports that continue their agreements' chains; the others become MeteringFaults.

    Returns how many were stored. A report of another node's agreement is dropped with a line in the log.
    """
    by_agreement = _by_agreement(reports)
    # The lock makes the look at the chain's end and the writing of the next report one step.
    agreements = Agreement.objects.select_for_update(no_key=True).filter(node=node_id, pk__in=by_agreement)
    own = {agreement.pk: agreement for agreement in agreements.order_by("pk")}
    for stray in by_agreement.keys() - own.keys():
        log.warning("usage: node %s reports for %s, which is no agreement of its own", node_id, stray)
    sifted = _sift_all(node_id, {pk: by_agreement[pk] for pk in own})
    write_faults((pk, fault) for pk, each in sifted.items() for fault in each.faults)
    records = [_record(pk, report) for pk, each in sifted.items() for report in each.accepted]
    UsageRecord.objects.bulk_create(records, ignore_conflicts=True)
    return len(records)


def usage_acks(node_ids: Collection[str]) -> dict[str, list[protocol.UsageAck]]:
    """Up to where usage of these nodes' agreements is stored, what it was rated at, and which are closed.

    One query for all of them; a node without agreements has an empty list.
    """
    newest = UsageRecord.objects.filter(agreement=OuterRef("pk")).order_by("-sequence").values("sequence")[:1]
    lately = timezone.now() - CLOSED_IS_SAID_FOR
    told = DebitNote.objects.filter(agreement=OuterRef("pk"), final=True)
    concerned = Agreement.objects.filter(node__in=node_ids, approved_at__isnull=False).filter(
        Q(state=AgreementState.APPROVED)
        | Q(hold__state=HoldState.HELD)
        | Q(~Exists(told), hold__state_since__gte=lately)
    )
    acks = defaultdict[str, list[protocol.UsageAck]](list)
    for node_id, pk, sequence, posted, state in concerned.annotate(newest=Subquery(newest)).values_list(
        "node_id", "pk", "newest", "hold__posted", "hold__state"
    ):
        ack = protocol.UsageAck(
            agreement_id=str(pk), sequence=sequence or 0, rated_glm=posted or ZERO, closed=state in _CLOSED
        )
        acks[node_id].append(ack)
    return acks


def _by_agreement(reports: Iterable[protocol.Usage]) -> dict[uuid.UUID, list[protocol.Usage]]:
    found: dict[uuid.UUID, list[protocol.Usage]] = defaultdict(list)
    for report in reports:
        try:
            found[uuid.UUID(report.agreement_id)].append(report)
        except ValueError:
            log.warning("usage: %.60r is no agreement id", report.agreement_id)
    return found


def _sift_all(node_id: str, reports: dict[uuid.UUID, list[protocol.Usage]]) -> dict[uuid.UUID, Sifted]:
    heads, stored = _heads(reports), _stored(reports)
    closed = set(
        Hold.objects.filter(agreement__in=reports, state__in=_CLOSED).values_list("agreement_id", flat=True)
    )
    return {
        pk: sift(
            mine,
            head=heads.get(pk, Head()),
            stored=stored[pk],
            is_closed=pk in closed,
            is_signed=lambda report: is_genuine(report, node_id=node_id, chain_id=settings.HIVE_CHAIN_ID),
        )
        for pk, mine in reports.items()
    }


def _heads(agreements: Iterable[uuid.UUID]) -> dict[uuid.UUID, Head]:
    newest = UsageRecord.objects.filter(agreement__in=agreements).order_by("agreement_id", "-sequence")
    return {
        each.agreement_id: Head(each.sequence, each.hash, each.final)
        for each in newest.distinct("agreement_id")
    }


def _stored(reports: dict[uuid.UUID, list[protocol.Usage]]) -> dict[uuid.UUID, dict[int, str]]:
    sequences = {
        report.sequence for mine in reports.values() for report in mine if 0 < report.sequence < 2**31
    }
    known: dict[uuid.UUID, dict[int, str]] = defaultdict(dict)
    for record in UsageRecord.objects.filter(agreement__in=reports, sequence__in=sequences).only(
        "agreement_id", "sequence", "hash"
    ):
        known[record.agreement_id][record.sequence] = record.hash
    return known


def _record(agreement_id: uuid.UUID, report: protocol.Usage) -> UsageRecord:
    return UsageRecord(
        agreement_id=agreement_id,
        sequence=report.sequence,
        previous_hash=report.previous_hash,
        hash=report.hash,
        signature=report.signature,
        started_at_ms=report.started_at_ms,
        ended_at_ms=report.ended_at_ms,
        running_ms=report.running_ms,
        cpu_ms=report.cpu_ms,
        egress_bytes=report.egress_bytes,
        final=report.final,
    )
