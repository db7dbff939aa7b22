"""What is on the board: each offer that can be taken now, and what is let by agreements in force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Count, F, Sum
from django.db.models.functions import Least

from apps.market.history.points import ALL
from apps.market.models import IN_FORCE, Agreement, Demand, DemandState
from apps.market.placing.offers import believed_region, live_offers

THREAD_HOUR_GLM = (F("second_glm") + F("cpu_second_glm")) * 3600
"""The measure of all prices here: one thread, busy for an hour; start and egress are left out."""


def free(size: str) -> Least:
    """Of an offer's `cpu_threads`, `mem_gib` ...: what its node can still give."""
    return Least(F(size), F(f"node__{size}") - F(f"node__{size}_claimed"))


class Lot(NamedTuple):
    """One offer, a row of one query; free is what its node has left of it, shared with its other offers."""

    runtime: str
    region: str
    node_id: str
    thread_hour_glm: Decimal
    cpu_threads: Decimal
    cpu_threads_free: Decimal
    mem_gib: Decimal
    mem_gib_free: Decimal
    gpus: int = 0
    gpus_free: int = 0

    @property
    def has_room(self) -> bool:
        """Whether anything could be placed there at all."""
        return self.cpu_threads_free > 0 and self.mem_gib_free > 0


@dataclass(frozen=True, slots=True)
class Let:
    """What agreements in force have taken of one runtime in one region, and pay on the average."""

    runtime: str
    region: str
    agreements: int
    cpu_threads: Decimal
    thread_hour_glm: Decimal


Wanted = frozenset[str]
"""The runtimes that a demand would take, any one of them."""


def lots() -> list[Lot]:
    """In one query. An offer of a runtime that calls itself `*` would stand for all: it is left out."""
    offers = live_offers().exclude(runtime=ALL).order_by()
    return [
        Lot._make(row)
        for row in offers.values_list(
            "runtime",
            believed_region("node__"),
            "node_id",
            THREAD_HOUR_GLM,
            "cpu_threads",
            free("cpu_threads"),
            "mem_gib",
            free("mem_gib"),
            "gpus",
            free("gpus"),
        )
    ]


def lets() -> list[Let]:
    """Of everybody's agreements, without a word on whose they are. One query."""
    taken = Agreement.objects.filter(state__in=IN_FORCE).annotate(region=believed_region("node__"))
    groups = taken.order_by().values_list("runtime", "region")
    summed = groups.annotate(
        count=Count("pk"), threads=Sum("cpu_threads"), paid=Sum(F("cpu_threads") * THREAD_HOUR_GLM)
    )
    return [
        Let(runtime, region, count, threads, paid / threads)
        for runtime, region, count, threads, paid in summed
        if threads and runtime != ALL
    ]


def wanted() -> list[Wanted]:
    """The other side of the market, anonymous: demands that found nobody yet. One query."""
    looking = Demand.objects.filter(state__in=[DemandState.OPEN, DemandState.NEGOTIATING])
    return [Wanted(map(str, each)) - {ALL} for each in looking.order_by().values_list("runtimes", flat=True)]


def of_place(lots: Iterable[Lot], *, runtime: str = ALL, region: str = ALL) -> list[Lot]:
    """Those of a runtime in a region; of all runtimes each node once."""
    there = [lot for lot in lots if region in (ALL, lot.region)]
    return one_per_node(there) if runtime == ALL else [lot for lot in there if lot.runtime == runtime]


def one_per_node(lots: Iterable[Lot]) -> list[Lot]:
    """Each node once, by its cheapest offer: runtimes share a machine, which is not to be counted twice."""
    cheapest: dict[str, Lot] = {}
    for lot in lots:
        before = cheapest.get(lot.node_id)
        if before is None or lot.thread_hour_glm < before.thread_hour_glm:
            cheapest[lot.node_id] = lot
    return [lot._replace(runtime=ALL) for lot in cheapest.values()]


def per_runtime(wanted: Iterable[Wanted]) -> Counter[str]:
    """How many demands would take each runtime; a demand that takes two counts for both."""
    return Counter(runtime for runtimes in wanted for runtime in runtimes)
