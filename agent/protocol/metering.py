"""What the Bee has metered and asks for it, and what of that the Queen has stored."""

from __future__ import annotations

from decimal import Decimal

from agent.protocol.base import Count, Message, Part


class Usage(Part):
    """Counters of one metering interval of one agreement, signed by the node as EIP-712 `Usage`.

    Sequences start at 1 and have no gaps; `previous_hash` is the digest of the report before (32 zero bytes
    for the first), so the reports of an agreement form a chain.
    """

    agreement_id: str
    sequence: int
    previous_hash: str
    started_at_ms: int
    ended_at_ms: int
    running_ms: int
    cpu_ms: int
    egress_bytes: int
    final: bool
    hash: str
    signature: str


class UsageReports(Message):
    reports: list[Usage]


class UsageAck(Part):
    """The Queen has stored usage up to `sequence` and rated it at `rated_glm` in all."""

    agreement_id: str
    sequence: Count
    rated_glm: Decimal
    closed: bool = False


class DebitNote(Part):
    """What the node asks for an agreement in all so far, signed as EIP-712 `DebitNote`."""

    agreement_id: str
    sequence: int
    usage_hash: str
    amount_glm: Decimal
    final: bool
    """The last note of an agreement is its invoice."""
    signature: str


class DebitNotes(Message):
    notes: list[DebitNote]


class NoteAck(Part):
    agreement_id: str
    sequence: Count
    state: str
    reason: str = ""
