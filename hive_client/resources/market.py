"""The market as the SDK gives it: `hive.market`. The same for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from hive_client import nouns
from hive_client.reading import read
from hive_client.session import Session


class Market:
    def __init__(self, session: Session) -> None:
        self._session = session

    def book(self) -> list[nouns.MarketRow]:
        """By runtime and region, with the sums of both; the last row is all of it."""
        return [read(nouns.MarketRow, row) for row in self._session.get("market/summary/")["rows"]]

    def offers(
        self, *, constraints: str | None = None, runtime: str | None = None, region: str | None = None
    ) -> Iterator[nouns.MarketOffer]:
        """Those that can be taken now, the cheapest first; `constraints` in Golem's filter language."""
        asked = {"constraints": constraints, "runtime": runtime, "region": region}
        return (read(nouns.MarketOffer, row) for row in self._session.pages("market/offers/", **asked))

    def compare(
        self,
        *,
        replicas: int = 1,
        cpu_threads: Decimal | int = 1,
        mem_gib: Decimal | int = 1,
        runtime: str = "docker",
    ) -> nouns.Comparison:
        """What so many replicas of this size would cost, placed here now, and at public clouds."""
        told = self._session.get(
            "market/compare/",
            replicas=replicas,
            cpu_threads=str(cpu_threads),
            mem_gib=str(mem_gib),
            runtime=runtime,
        )
        return read(nouns.Comparison, told)
