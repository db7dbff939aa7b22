"""Bees that meter: a contract's chain of signed reports, and the ways in which a Bee may get it wrong."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from agent import protocol
from apps.billing.metering.intake import store_usage, usage_acks
from apps.billing.models import Hold
from apps.billing.providers.debit_notes import store_debit_notes
from apps.market.models import Agreement
from tests.billing.conftest import Meter

BEYOND = (2**63, -1, 10**19 - 1)
"""Counters that no report can have."""


@dataclass
class Contract:
    """An agreement at work. `unsent` are reports whose time has not come; `told` all that was ever signed."""

    agreement: Agreement
    hold: Hold
    meter: Meter
    bee: int
    unsent: list[protocol.Usage] = field(default_factory=list)
    told: list[protocol.Usage] = field(default_factory=list)
    notes: int = 0
    is_over: bool = False

    @property
    def node_id(self) -> str:
        return self.agreement.node_id

    def report(self, started_ms: int, ended_ms: int, **fields: int | bool) -> protocol.Usage:
        """Sign the next one; it ran all the time, on a tenth of a thread, unless said otherwise."""
        took = ended_ms - started_ms
        given = {"running_ms": took, "cpu_ms": took // 10} | fields
        made = self.meter.report(started_at_ms=started_ms, ended_at_ms=ended_ms, **given)
        self.unsent.append(made)
        self.told.append(made)
        return made

    def send(self, *reports: protocol.Usage) -> None:
        """These, or all that wait."""
        store_usage(node_id=self.node_id, reports=list(reports or self.unsent))
        if not reports:
            self.unsent.clear()

    def send_reversed(self) -> None:
        """One message each, the newest first; then again in order, since nothing was acknowledged."""
        for report in reversed(self.unsent):
            self.send(report)
        self.send()

    def send_forged(self) -> None:
        """Another's word: more time under the same signature."""
        honest = self.told[-1]
        self.send(msgspec.structs.replace(honest, running_ms=honest.running_ms + 1))

    def send_fork(self) -> None:
        """A second report in the place of the last one, signed as well as that."""
        last = self.told[-1]
        other = copy.copy(self.meter)
        other.sequence, other.head = last.sequence - 1, last.previous_hash
        self.send(
            other.report(
                started_at_ms=last.started_at_ms,
                ended_at_ms=last.ended_at_ms,
                running_ms=max(last.running_ms - 7, 0),
            )
        )

    def send_overflowing(self) -> None:
        other = copy.copy(self.meter)
        report = other.report()
        for beyond in BEYOND:
            self.send(msgspec.structs.replace(report, running_ms=beyond))
            self.send(msgspec.structs.replace(report, sequence=beyond))

    def ask(self, more_glm: Decimal) -> None:
        """A debit note over what the Queen says was rated, and so much more."""
        acks = usage_acks([self.node_id])[self.node_id]
        rated = next((ack.rated_glm for ack in acks if ack.agreement_id == str(self.agreement.pk)), None)
        if rated is None or not self.told:
            return
        self.notes += 1
        note = self.meter.note(str(rated + more_glm), sequence=self.notes)
        store_debit_notes(node_id=self.node_id, notes=[note])
