"""Is a usage report the next one of its agreement's chain? Plain functions, no database.

Every report names the digest of the one before it, and its own digest is what the Bee signs, so none can be
changed, left out or put in later without being seen.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter

from agent import protocol, typed_data
from apps.billing.metering.faults import Fault
from apps.billing.metering.models import MeteringFaultKind

MOST = 2**63 - 1
MOST_SEQUENCE = 2**31 - 1
AHEAD = timedelta(days=7)
"""A report that ends longer than this after it came in is a fault of a clock, or of somebody's intent. Bees
date theirs by the Queen's clock: an honest one is ahead only when that was put back, and then it is taken."""


@dataclass(frozen=True)
class Head:
    """The newest report that is stored; the empty chain has sequence 0."""

    sequence: int = 0
    hash: str = typed_data.NO_HASH
    is_final: bool = False


@dataclass(frozen=True)
class Sifted:
    """Reports to store, in order, and what is wrong with the others."""

    head: Head
    accepted: list[protocol.Usage] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


IsSigned = Callable[[protocol.Usage], bool]
_sequence = attrgetter("sequence")


def sift(
    reports: Iterable[protocol.Usage],
    *,
    head: Head,
    stored: Mapping[int, str],
    is_closed: bool,
    is_signed: IsSigned,
    now: datetime,
) -> Sifted:
    """Follow the chain of one agreement from `head`; `stored` maps known sequences to their hashes."""
    accepted, faults, known = [], [], dict(stored)
    latest_ms = int((now + AHEAD).timestamp() * 1000)
    for report in sorted(reports, key=_sequence):
        if known.get(report.sequence) == report.hash:
            continue  # a repetition: the acknowledgement was lost
        fault = _fault(report, head, is_closed=is_closed, is_signed=is_signed, latest_ms=latest_ms)
        if fault is not None:
            faults.append(fault)
            continue
        accepted.append(report)
        known[report.sequence] = report.hash
        head = Head(report.sequence, report.hash, report.final)
    return Sifted(head, accepted, faults)


def agreement_named(agreement_id: str) -> uuid.UUID | None:
    """As its terms write it, or not at all: it is signed, and recomputed, in these letters."""
    try:
        found = uuid.UUID(agreement_id)
    except ValueError:
        return None
    return found if str(found) == agreement_id else None


def is_genuine(report: protocol.Usage, *, node_id: str, chain_id: int) -> bool:
    """Do hash and signature belong to these numbers and to this node?"""
    try:
        message = typed_data.usage(report, chain_id=chain_id)
    except ValueError:  # the hash it names as its predecessor's is none
        return False
    return typed_data.digest(message) == report.hash and typed_data.is_signed_by(
        message, report.signature, node_id
    )


def _fault(
    report: protocol.Usage, head: Head, *, is_closed: bool, is_signed: IsSigned, latest_ms: int
) -> Fault | None:
    kind, detail = _objection(report, head, is_closed=is_closed, is_signed=is_signed, latest_ms=latest_ms)
    return Fault(kind, min(max(report.sequence, 0), MOST_SEQUENCE), detail) if kind else None


def _objection(
    report: protocol.Usage, head: Head, *, is_closed: bool, is_signed: IsSigned, latest_ms: int
) -> tuple[str, str]:
    """The first thing that is wrong with it; ("", "") when it is the next of the chain."""
    if (reason := _out_of_range(report, latest_ms)) is not None:
        return MeteringFaultKind.RANGE, reason
    if not is_signed(report):
        return MeteringFaultKind.SIGNATURE, "hash or signature do not belong to the report"
    if report.sequence <= head.sequence:
        return MeteringFaultKind.FORK, f"report {report.hash[:18]} differs from the one that is stored"
    if head.is_final:
        return MeteringFaultKind.LATE, f"report {head.sequence} was the final one"
    if is_closed:
        return MeteringFaultKind.LATE, "the agreement is closed"
    if report.sequence > head.sequence + 1:
        return MeteringFaultKind.GAP, f"came after {head.sequence}: {head.sequence + 1} is missing"
    if report.previous_hash != head.hash:
        return MeteringFaultKind.CHAIN, f"follows {report.previous_hash[:18]}, not {head.hash[:18]}"
    return "", ""


def _out_of_range(report: protocol.Usage, latest_ms: int) -> str | None:
    if not 1 <= report.sequence <= MOST_SEQUENCE:
        return f"sequence {report.sequence}"[:100]
    for name in ("started_at_ms", "ended_at_ms", "running_ms", "cpu_ms", "egress_bytes"):
        limit = latest_ms if name.endswith("_at_ms") else MOST
        if not 0 <= (value := getattr(report, name)) <= limit:
            return f"{name} is {value}"[:100]
    if report.ended_at_ms < report.started_at_ms:
        return "it ends before it starts"
    return None
