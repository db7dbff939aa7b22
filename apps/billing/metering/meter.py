"""The meter of one agreement: its reports rated one after the other. Plain, without a database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from agent.protocol import Price
from apps.billing.metering.bill import Reported, Watched, bill
from apps.money import plain


class Report(NamedTuple):
    """What rating needs of a UsageRecord; `received_ms` is when it came in, in Unix ms."""

    pk: int
    sequence: int
    started_at_ms: int
    ended_at_ms: int
    running_ms: int
    cpu_ms: int
    egress_bytes: int
    received_ms: int

    @property
    def past_ms(self) -> int:
        """Its end, as far as it had come: nothing has happened yet that would happen after it came in."""
        return min(self.ended_at_ms, self.received_ms)


class Rated(NamedTuple):
    """What is billed of a report. `reduced_because` says why it is less than was reported, `shortage` why
    less than it costs is paid: the hold had no more."""

    report: Report
    running_ms: int
    cpu_ms: int
    egress_bytes: int
    cost_glm: Decimal
    reduced_because: str
    shortage: str
    is_overclaim: bool = False


@dataclass(slots=True)
class Meter:
    """Terms of the agreement, what its hold has left, and what its earlier reports came to."""

    price: Price
    cpu_threads: Decimal
    leased_from_ms: int
    leased_until_ms: int
    left_glm: Decimal
    heard_ms: Callable[[int, int], int]
    """Of a span of Unix ms, the time in which the Queen heard the node."""
    ended_at_ms: int = 0
    has_run: bool = False
    egress_bytes: int = 0
    egress_billed_bytes: int = 0
    edge_bytes: int = 0

    def rate(self, report: Report) -> Rated:
        """What is billed of the next report; the meter moves on, and the hold's money with it."""
        self.egress_bytes += report.egress_bytes
        billed = bill(
            reported=Reported(report.running_ms, report.cpu_ms, self.egress_bytes),
            watched=self._watched(report),
            price=self.price,
            first=not self.has_run,
            egress_billed_bytes=self.egress_billed_bytes,
        )
        paid, shortage = self._funded(billed.cost_glm)
        self.left_glm -= paid
        self.ended_at_ms = max(self.ended_at_ms, report.past_ms)
        self.has_run = self.has_run or billed.running_ms > 0
        self.egress_billed_bytes += billed.egress_bytes
        return Rated(
            report,
            billed.running_ms,
            billed.cpu_ms,
            billed.egress_bytes,
            paid,
            billed.reduced_because,
            shortage,
            billed.is_overclaim,
        )

    def _watched(self, report: Report) -> Watched:
        """Our side of the report's time; what an earlier report told already is not counted again."""
        start_ms, end_ms = max(report.started_at_ms, self.ended_at_ms), report.past_ms
        if end_ms <= start_ms:
            return Watched(0, 0, 0, self.cpu_threads, self.edge_bytes)
        return Watched(
            passed_ms=end_ms - start_ms,
            leased_ms=max(min(end_ms, self.leased_until_ms) - max(start_ms, self.leased_from_ms), 0),
            heard_ms=self.heard_ms(start_ms, end_ms),
            cpu_threads=self.cpu_threads,
            edge_bytes=self.edge_bytes,
            late_ms=max(end_ms - self.leased_until_ms, 0),
        )

    def _funded(self, cost_glm: Decimal) -> tuple[Decimal, str]:
        """What of the cost the hold can pay, and what to say of the rest."""
        if cost_glm <= self.left_glm:
            return cost_glm, ""
        left = self.left_glm
        return left, f"cost {plain(cost_glm)} GLM, {plain(left)} GLM were left of its hold"
