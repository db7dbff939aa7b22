"""Writing down disagreements about usage: each shown once, none smoothed over."""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count

from apps.billing.metering.conduct import note_false_reports
from apps.billing.metering.models import MeteringFault

log = logging.getLogger("hive.billing")

MOST_PER_KIND = 125
"""Of one agreement: with eight kinds, 1,000 rows. A Bee that sends nonsense fills up its own kinds of fault
and leaves room for what the Queen finds out herself."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a report; `kind` is a MeteringFaultKind."""

    kind: str
    sequence: int
    detail: str


@transaction.atomic
def write_faults(faults: Iterable[tuple[uuid.UUID, Fault]]) -> None:
    """Each with the agreement it concerns; one that is written already, or one too many, is left out."""
    kept = _within_bounds(list(dict.fromkeys(faults)))
    MeteringFault.objects.bulk_create(
        [
            MeteringFault(
                agreement_id=pk, kind=fault.kind, sequence=fault.sequence, detail=fault.detail[:300]
            )
            for pk, fault in kept
        ],
        ignore_conflicts=True,
    )
    note_false_reports((pk, fault.kind, fault.detail) for pk, fault in kept)


def _within_bounds(faults: list[tuple[uuid.UUID, Fault]]) -> list[tuple[uuid.UUID, Fault]]:
    if not faults:
        return []
    written = MeteringFault.objects.filter(agreement__in={pk for pk, _ in faults})
    counts = Counter(
        {
            (pk, kind): count
            for pk, kind, count in written.values_list("agreement", "kind").annotate(count=Count("id"))
        }
    )
    kept = []
    for pk, fault in faults:
        counts[pk, fault.kind] += 1
        if counts[pk, fault.kind] <= MOST_PER_KIND:
            kept.append((pk, fault))
        elif counts[pk, fault.kind] == MOST_PER_KIND + 1:
            log.warning("agreement %s: more than %d faults of kind %s", pk, MOST_PER_KIND, fault.kind)
    return kept
