"""`hive.plans`: what was planned, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from hive_client.nouns import PlanPaid, PlanRow, WholePlan
from hive_client.reading import read
from hive_client.session import Session


class Plans:
    def __init__(self, session: Session) -> None:
        self._session = session

    def __iter__(self) -> Iterator[PlanRow]:
        """Newest first, each in short. Further pages are asked for as they are needed."""
        return (read(PlanRow, row) for row in self._session.pages("plans/"))

    def get(self, plan_id: str) -> WholePlan:
        """With the file, what was understood of it, and the proof of its signature."""
        return read(WholePlan, self._session.get(_path(plan_id)))

    def paid(self, plan_id: str) -> PlanPaid:
        """An applied plan beside what was really agreed and paid. HiveError `plan_not_applied` for others."""
        return read(PlanPaid, self._session.get(_path(plan_id, "actual")))


def _path(plan_id: str, *steps: str) -> str:
    return "/".join(("plans", *(quote(step, safe="") for step in (plan_id, *steps)), ""))
