"""Writing down disagreements about usage: each shown once, none smoothed over."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from apps.billing.usage import MeteringFault


@dataclass(frozen=True)
class Fault:
    """What is wrong with a report; `kind` is a MeteringFaultKind."""

    kind: str
    sequence: int
    detail: str


def write_faults(faults: Iterable[tuple[uuid.UUID, Fault]]) -> None:
    """Each with the agreement it concerns; one that is written already is left out."""
    MeteringFault.objects.bulk_create(
        [
            MeteringFault(
                agreement_id=pk, kind=fault.kind, sequence=fault.sequence, detail=fault.detail[:300]
            )
            for pk, fault in faults
        ],
        ignore_conflicts=True,
    )
