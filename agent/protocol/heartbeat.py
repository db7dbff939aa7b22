"""The complete wanted set and the complete observed one: what goes to and fro once there is a link."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from agent.protocol.assignments import Assignment, ObservedAssignment
from agent.protocol.base import Bytes, Count, Message, Millis, Part, Percent, Rate
from agent.protocol.metering import NoteAck, UsageAck
from agent.protocol.negotiation import AgreementToSign, Proposal


class Wanted(Message):
    """Queen: everything this node should do now. Sent on connect, on each change and with each heartbeat."""

    revision: int
    heartbeat_s: float
    metering_interval_s: float
    approved: bool
    now_ms: Millis = 0
    """As in `Welcome`."""
    assignments: list[Assignment] = []
    proposals: list[Proposal] = []
    agreements: list[AgreementToSign] = []
    usage_acks: list[UsageAck] = []
    note_acks: list[NoteAck] = []


class Stats(Part):
    """Measured on the Bee; percentages are of the whole machine, rates are since the last heartbeat."""

    cpu_percent: Percent = 0.0
    mem_used_bytes: Bytes = 0
    disk_used_bytes: Bytes = 0
    sent_bytes_s: Rate = 0.0
    received_bytes_s: Rate = 0.0
    running: Count = 0
    temperature_c: Annotated[float, Meta(ge=-273, le=1000)] | None = None
    """Of the hottest sensor; None where there is none."""


class Observed(Message):
    """Bee: the complete set of what it has, and its heartbeat. `revision` is the newest `Wanted` acted on."""

    revision: int
    at_ms: int
    assignments: list[ObservedAssignment]
    stats: Stats = Stats()
