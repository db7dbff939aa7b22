"""Taking in what the Bees report: idempotent by (agreement, sequence), and every disagreement kept.

What is stored here is acknowledged with the next `Wanted`; until then the Bee sends it again.
"""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils import timezone

from agent import protocol
from apps.billing.budgets.models import Hold, HoldState
from apps.billing.metering import stored
from apps.billing.metering.faults import write_faults
from apps.billing.metering.models import UsageRecord
from apps.billing.metering.usage_chain import Head, Sifted, agreement_named, is_genuine, sift
from apps.billing.providers.debit_notes import note_acks, store_debit_notes
from apps.billing.providers.models import DebitNote
from apps.market.models import Agreement, AgreementState
from apps.money import ZERO

__all__ = ["note_acks", "store_all_usage", "store_debit_notes", "store_usage", "usage_acks"]

log = logging.getLogger("hive.billing")

_CLOSED = frozenset(HoldState.values) - {HoldState.HELD}
CLOSED_IS_SAID_FOR = timedelta(days=7)
"""How long a Bee is told that an agreement is closed, unless its final debit note says that it knows."""
AT_ONCE = 10_000
"""Reports of a transaction, about: their agreements are locked for a fraction of a second."""

Said = dict[tuple[str, uuid.UUID], list[protocol.Usage]]
"""What each node says of each agreement."""


def store_usage(*, node_id: str, reports: list[protocol.Usage]) -> int:
    """`store_all_usage` of one node."""
    return store_all_usage({node_id: reports})


def store_all_usage(said: Mapping[str, Sequence[protocol.Usage]]) -> int:
    """Store the reports that continue their agreements' chains; the others become MeteringFaults.

    Returns how many were stored. A report of another node's agreement is dropped with a line in the log.
    The number of statements does not depend on how many nodes, agreements or reports there are.
    """
    return sum(store_judged(part, judged=judge(part)) for part in _in_parts(said))


def judge(said: Said) -> dict[int, bool]:
    """Whether each report that is not stored yet, by `id`, is signed as it should be.

    A tenth of a millisecond each, and so before anything is locked.
    """
    heads = stored.heads({pk for _, pk in said})
    known = _known(((pk, reports) for (_, pk), reports in said.items()), heads)
    return {
        id(report): is_genuine(report, node_id=node_id, chain_id=settings.HIVE_CHAIN_ID)
        for (node_id, pk), reports in said.items()
        for report in reports
        if known[pk].get(report.sequence) != report.hash
    }


@transaction.atomic
def store_judged(said: Said, *, judged: Mapping[int, bool]) -> int:
    """Store what continues the chains; reports that are not in `judged` are judged here."""
    # The lock makes the look at the chain's end and the writing of the next report one step.
    agreements = Agreement.objects.select_for_update(no_key=True).filter(pk__in={pk for _, pk in said})
    owners = dict(agreements.order_by("pk").values_list("pk", "node_id"))
    for node_id, pk in said:
        if owners.get(pk) != node_id:
            log.warning("usage: node %s reports for %s, which is no agreement of its own", node_id, pk)
    own = {pk: reports for (node_id, pk), reports in said.items() if owners.get(pk) == node_id}
    sifted = _sift_all(own, owners=owners, judged=judged)
    write_faults((pk, fault) for pk, each in sifted.items() for fault in each.faults)
    return stored.append({pk: each.accepted for pk, each in sifted.items() if each.accepted})


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


def _in_parts(said: Mapping[str, Sequence[protocol.Usage]]) -> Iterator[Said]:
    part, count = Said(), 0
    for node_id, reports in said.items():
        for report in reports:
            if (pk := _agreement_id(report)) is not None:
                part.setdefault((node_id, pk), []).append(report)
        count += len(reports)
        if count >= AT_ONCE:
            yield part
            part, count = {}, 0
    if part:
        yield part


def _agreement_id(report: protocol.Usage) -> uuid.UUID | None:
    if (found := agreement_named(report.agreement_id)) is None:
        log.warning("usage: %.60r is no agreement id", report.agreement_id)
    return found


def _sift_all(
    reports: Mapping[uuid.UUID, list[protocol.Usage]],
    *,
    owners: Mapping[uuid.UUID, str],
    judged: Mapping[int, bool],
) -> dict[uuid.UUID, Sifted]:
    now, heads = timezone.now(), stored.heads(reports)
    known = _known(reports.items(), heads)
    closed = set(
        Hold.objects.filter(agreement__in=reports, state__in=_CLOSED).values_list("agreement_id", flat=True)
    )
    return {
        pk: sift(
            mine,
            head=heads.get(pk, Head()),
            stored=known[pk],
            is_closed=pk in closed,
            is_signed=partial(_is_signed, node_id=owners[pk], judged=judged),
            now=now,
        )
        for pk, mine in reports.items()
    }


def _known(
    reports: Iterable[tuple[uuid.UUID, Iterable[protocol.Usage]]], heads: Mapping[uuid.UUID, Head]
) -> dict[uuid.UUID, dict[int, str]]:
    """The hashes that are stored of these agreements' sequences."""
    return stored.hashes(
        (pk, report.sequence)
        for pk, mine in reports
        for report in mine
        if 0 < report.sequence <= heads.get(pk, Head()).sequence
    )


def _is_signed(report: protocol.Usage, *, node_id: str, judged: Mapping[int, bool]) -> bool:
    if (verdict := judged.get(id(report))) is not None:
        return verdict
    return is_genuine(report, node_id=node_id, chain_id=settings.HIVE_CHAIN_ID)
