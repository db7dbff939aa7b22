"""What is on the board: each offer that can be taken now, and what is let by agreements in force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import Case, CharField, Count, F, QuerySet, Sum, Value, When

from apps.market.agreements import IN_FORCE
from apps.market.history.points import ALL
from apps.market.models import Agreement, Demand, DemandState
from apps.market.offers import live_offers
from apps.money import ZERO
from apps.nodes.models import Offer

HOUR_S = 3600
THREAD_SECOND_GLM = F("second_glm") + F("cpu_second_glm")
"""The measure of all prices here: one thread, busy for a second; start and egress are left out."""


def believed(path: str) -> Case:
    """The region of the node at `path`; '' when it declares none, or one that is not believed."""
    return Case(
        When(**{f"{path}__region_fault": ""}, then=F(f"{path}__region")),
        default=Value(""),
        output_field=CharField(),
    )


@dataclass(frozen=True, slots=True)
class Lot:
    """One offer; free is what its node has left of it, shared with the node's other offers."""

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What demands that found nobody yet would take: of any one of these runtimes."""

    runtimes: tuple[str, ...]
    cpu_threads: Decimal


def lots() -> list[Lot]:
    """In one query. An offer of a runtime that calls itself `*` would stand for all: it is left out."""
    return [_lot(*row) for row in _rows(live_offers().exclude(runtime=ALL))]


def lets() -> list[Let]:
    """Of everybody's agreements, without a word on whose they are. One query."""
    taken = Agreement.objects.filter(state__in=IN_FORCE).annotate(region=believed("node"))
    groups = taken.order_by().values_list("runtime", "region")
    summed = groups.annotate(
        count=Count("pk"), threads=Sum("cpu_threads"), paid=Sum(F("cpu_threads") * THREAD_SECOND_GLM)
    )
    return [
        Let(runtime, region, count, threads, paid * HOUR_S / threads)
        for runtime, region, count, threads, paid in summed
        if threads and runtime != ALL
    ]


def wanted() -> list[Wanted]:
    """The other side of the market, anonymous. One query."""
    looking = Demand.objects.filter(state__in=[DemandState.OPEN, DemandState.NEGOTIATING])
    told = looking.order_by().values_list("runtimes", "cpu_threads")
    return [Wanted(tuple(set(map(str, runtimes)) - {ALL}), threads) for runtimes, threads in told]


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
    return [replace(lot, runtime=ALL) for lot in cheapest.values()]


def per_runtime(wanted: Iterable[Wanted]) -> Counter[str]:
    """How many demands would take each runtime; a demand that takes two counts for both."""
    return Counter(runtime for one in wanted for runtime in one.runtimes)


def _rows(offers: QuerySet[Offer]) -> Iterable[tuple[object, ...]]:
    return offers.order_by().values_list(
        "runtime",
        believed("node"),
        "node_id",
        "second_glm",
        "cpu_second_glm",
        "cpu_threads",
        F("node__cpu_threads") - F("node__cpu_threads_claimed"),
        "mem_gib",
        F("node__mem_gib") - F("node__mem_gib_claimed"),
        "gpus",
        F("node__gpus") - F("node__gpus_claimed"),
    )


def _lot(*row: object) -> Lot:
    runtime, region, node_id, second, cpu_second, threads, threads_left, mem, mem_left, gpus, gpus_left = row
    return Lot(
        runtime=runtime,
        region=region,
        node_id=node_id,
        thread_hour_glm=(second + cpu_second) * HOUR_S,
        cpu_threads=threads,
        cpu_threads_free=max(min(threads, threads_left), ZERO),
        mem_gib=mem,
        mem_gib_free=max(min(mem, mem_left), ZERO),
        gpus=gpus,
        gpus_free=max(min(gpus, gpus_left), 0),
    )
