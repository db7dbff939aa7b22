"""One thing in a `Wanted` that can't be read or done is refused by itself; the rest goes on.

The Queen sends everything in one frame, so without this a single field of a single assignment would keep
every other team's from this Bee.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from agent.errors import JournalFault
from agent.protocol import (
    MAX_FRAME_BYTES,
    AgreementToSign,
    Answer,
    Assignment,
    FromQueen,
    Millis,
    NoteAck,
    Proposal,
    ProtocolError,
    UsageAck,
    Verdict,
    Wanted,
    Workload,
    decode_from_queen,
)

log = logging.getLogger("hive.agent")

P = TypeVar("P")


class Sifted(Wanted, frozen=True):  # type: ignore[misc]  # mypy misses that structs inherit `frozen`
    """A `Wanted` of which not all could be read, and what the Bee says to the rest. Never sent."""

    refusals: dict[str, str] = {}
    """Assignment id -> why; the assignments stand in the set with their names alone."""
    rejections: list[Answer] = []


class _Frame(msgspec.Struct, tag_field="type", tag="Wanted"):
    """A `Wanted` whose lists are not read yet."""

    revision: int
    heartbeat_s: float
    metering_interval_s: float
    approved: bool
    now_ms: Millis = 0
    assignments: list[msgspec.Raw] = []
    proposals: list[msgspec.Raw] = []
    agreements: list[msgspec.Raw] = []
    usage_acks: list[msgspec.Raw] = []
    note_acks: list[msgspec.Raw] = []


def read(frame: str | bytes) -> FromQueen:
    """The message; a `Wanted` that can't be read as a whole is `Sifted`. Raises ProtocolError."""
    try:
        return decode_from_queen(frame)
    except ProtocolError:
        if len(frame) > MAX_FRAME_BYTES:
            raise
        try:
            return _sift(msgspec.json.decode(frame, type=_Frame))
        except (msgspec.DecodeError, RecursionError):
            pass  # it was no `Wanted`, or broken as a whole
        raise


def _sift(frame: _Frame) -> Sifted:
    assignments, no_assignments = _each(frame.assignments, Assignment)
    proposals, no_proposals = _each(frame.proposals, Proposal)
    agreements, no_agreements = _each(frame.agreements, AgreementToSign)
    unread = [(_stand_in(fields), why_not) for fields, why_not in no_assignments]
    return Sifted(
        revision=frame.revision,
        heartbeat_s=frame.heartbeat_s,
        metering_interval_s=frame.metering_interval_s,
        approved=frame.approved,
        now_ms=frame.now_ms,
        assignments=assignments + [each for each, _ in unread],
        proposals=proposals,
        agreements=agreements,
        usage_acks=_each(frame.usage_acks, UsageAck)[0],
        note_acks=_each(frame.note_acks, NoteAck)[0],
        refusals={each.assignment_id: why_not for each, why_not in unread},
        rejections=[
            *(
                Answer(verdict=Verdict.REJECTED, proposal_id=_text(fields, "proposal_id"), reason=why_not)
                for fields, why_not in no_proposals
            ),
            *(
                Answer(verdict=Verdict.REJECTED, agreement_id=_agreement_id(fields), reason=why_not)
                for fields, why_not in no_agreements
            ),
        ],
    )


def _each(found: list[msgspec.Raw], kind: type[P]) -> tuple[list[P], list[tuple[dict[str, Any], str]]]:
    """Those that can be read, and the fields of the others with the reason."""
    good: list[P] = []
    bad: list[tuple[dict[str, Any], str]] = []
    for raw in found:
        try:
            good.append(msgspec.json.decode(raw, type=kind))
        except msgspec.DecodeError as error:
            log.warning("%s can't be read: %s", kind.__name__, error)
            bad.append((_fields(raw), f"this bee can't read it: {error}"))
    return good, bad


def _fields(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _agreement_id(fields: dict[str, Any]) -> str:
    terms = fields.get("terms")
    return _text(terms, "agreement_id") if isinstance(terms, dict) else ""


def _stand_in(fields: dict[str, Any]) -> Assignment:
    """Enough of it to say that it is refused."""
    generation = fields.get("generation")
    return Assignment(
        assignment_id=_text(fields, "assignment_id"),
        agreement_id=_text(fields, "agreement_id"),
        replica=_text(fields, "replica"),
        generation=generation if isinstance(generation, int) and 0 <= generation < 1 << 31 else 0,
        lease_s=0,
        workload=Workload(image="", runtime="", cpu_threads=Decimal(0), mem_gib=Decimal(0)),
    )


# -- doing ------------------------------------------------------------------------------------------------


@dataclass
class Trouble:
    """What came of a `spared` block."""

    reason: str = ""


@contextmanager
def spared(what: str) -> Iterator[Trouble]:
    """Whatever fails in here is `what`'s trouble alone: it is logged and told in `reason`."""
    trouble = Trouble()
    try:
        yield trouble
    except JournalFault as fault:
        log.warning("%s: %s", what, fault)
        trouble.reason = str(fault)
    except Exception as error:
        log.exception("%s failed", what)
        trouble.reason = f"the agent failed: {error!r}"[:300]
