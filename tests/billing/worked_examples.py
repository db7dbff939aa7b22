"""The figures of docs/billing.md, and a shop that uses what they say: with the house's own verbs alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.utils import timezone

from agent import protocol
from apps.billing.budgets.holding import free_ended_holds
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import Hold, UsageRecord
from apps.deployments.acting import fund
from apps.market.models import Agreement, AgreementState
from apps.nodes.models import Listener, Node, NodeSession
from tests.billing.conftest import Meter, ms

PAGE = Path(__file__).resolve().parents[2] / "docs" / "billing.md"
ROW = re.compile(r"^\| (.+?) \| (-?[0-9.]+)(?: GLM| ETH| GiB| %| gwei)? \|$", re.MULTILINE)
GIB = 2**30


class Figures:
    """What an example of the page says, by its tables' first column; what nobody asks for is untested."""

    def __init__(self, title: str, *, also: str = "") -> None:
        text = PAGE.read_text().split(f"## {title}")[1].split("\n## ")[0]
        self.text = " ".join(text.replace("\n> ", "\n").split())
        self._tables = [dict(ROW.findall(table)) for table in re.split(r"\n\|---\|---\|\n", text)[1:]]
        self._asked: set[tuple[int, str]] = set()

    def __call__(self, name: str, *, table: int) -> Decimal:
        self._asked.add((table, name))
        return Decimal(self._tables[table][name])

    @property
    def untested(self) -> list[str]:
        said = {(number, name) for number, table in enumerate(self._tables) for name in table}
        return [name for _, name in sorted(said - self._asked)]


@dataclass
class Shop:
    """One replica on one node: its lease is renewed, it reports, and it is billed."""

    agreement: Agreement
    hold: Hold
    meter: Meter
    lease: timedelta

    def uses(self, *reports: protocol.Usage) -> None:
        store_usage(node_id=self.agreement.node_id, reports=list(reports))
        rate_usage()
        self.hold.refresh_from_db()

    @property
    def now(self) -> datetime:
        """Up to when it has reported."""
        return datetime.fromtimestamp(self.meter.clock_ms / 1000, tz=UTC)

    def renew(self) -> Decimal:
        """For a whole lease from now, as deployments do; raises as they do. Returns what was added."""
        before = self.hold.amount
        fund(self.hold, self.agreement, until=self.now + self.lease)
        self.hold.refresh_from_db()
        return self.hold.amount - before

    def end(self) -> Decimal:
        """Returns what went back to the budget."""
        Agreement.objects.filter(pk=self.agreement.pk).update(
            state=AgreementState.TERMINATED, ended_at=self.now, deadline_at=None
        )
        assert free_ended_holds() == 1
        self.hold.refresh_from_db()
        return self.hold.left_glm

    def costs(self) -> Iterator[Decimal]:
        """Of each report, the first one first."""
        reports = UsageRecord.objects.filter(agreement=self.agreement).order_by("sequence")
        return (report.cost_glm for report in reports if report.cost_glm is not None)


def heard(node: Node, *, since: datetime, silent_from: datetime | None = None, silent_s: int = 0) -> None:
    """The Queen listened from then until now, and heard the node but for one gap."""
    Listener.objects.update(started_at=since)
    spans: list[tuple[datetime, datetime | None]] = [(since, None)]
    if silent_from:
        spans = [(since, silent_from), (silent_from + timedelta(seconds=silent_s), None)]
    for opened_at, closed_at in spans:
        seen_at = closed_at or timezone.now()
        NodeSession.objects.create(
            node=node, opened_at=opened_at, last_seen_at=seen_at, closed_at=closed_at, channel="test"
        )


def meter_of(agreement: Agreement, key: Any) -> Meter:
    assert agreement.approved_at is not None
    return Meter(str(agreement.pk), key, ms(agreement.approved_at))


def whole_hours_ago(hours: int) -> datetime:
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    return now - timedelta(hours=hours)
