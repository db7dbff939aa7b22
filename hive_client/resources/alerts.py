"""`hive.alerts`: at which levels your team is told that its money ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from hive_client.nouns.notices import Alert
from hive_client.reading import read
from hive_client.session import Session


class Alerts:
    """Every member sees them, owners set them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __iter__(self) -> Iterator[Alert]:
        return (read(Alert, row) for row in self._session.pages("alerts/"))

    def add(self, kind: Literal["used", "runway"], level: int, *, budget: str | None = None) -> Alert:
        """At so many percent used, or so many hours left, of the main budget or another."""
        return read(Alert, self._session.post("alerts/", kind=kind, level=level, budget=budget))

    def remove(self, alert_id: int) -> None:
        self._session.delete(f"alerts/{alert_id}/")
