"""The book by runtime and region: how much is on offer, free and let, at which prices. Plain functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from apps.market.board.lots import Let, Lot, Wanted, one_per_node, per_runtime
from apps.market.history.points import ALL
from apps.money import ZERO, round_glm

Key = tuple[str, str]
"""Runtime and region; `*` is all of them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One runtime in one region. Prices are GLM for one thread, busy for an hour; None: there is none."""

    runtime: str
    region: str
    offers: int
    nodes: int
    cpu_threads: Decimal
    cpu_threads_free: Decimal
    mem_gib: Decimal
    mem_gib_free: Decimal
    gpus: int
    gpus_free: int
    agreements: int
    cpu_threads_let: Decimal
    least_glm: Decimal | None
    """Of those with something free."""
    median_glm: Decimal | None
    mean_glm: Decimal | None
    """By the threads on offer."""
    paid_glm: Decimal | None
    """In the agreements in force, by their threads."""
    demands: int
    """Still looking for a node that would take this runtime; of all regions, as demands may accept any."""

    @property
    def share_let(self) -> Decimal | None:
        """Of the threads on offer; None while nothing is."""
        return min(self.cpu_threads_let / self.cpu_threads, Decimal(1)) if self.cpu_threads else None

    @property
    def is_total(self) -> bool:
        return ALL in (self.runtime, self.region)


def rows(lots: Iterable[Lot], lets: Iterable[Let], wanted: Sequence[Wanted]) -> list[Row]:
    """Each runtime in each region, each runtime in all, all in each region, and all of it, which is last."""
    lots, lets = list(lots), list(lets)
    offered = _grouped((lot.runtime, lot.region, lot) for lot in [*lots, *one_per_node(lots)])
    taken = _grouped((let.runtime, let.region, let) for let in lets)
    for let in lets:
        taken[ALL, let.region].append(let)
        taken[ALL, ALL].append(let)
    demands = per_runtime(wanted)
    demands[ALL] = len(wanted)
    keys = {*offered, *taken, *((runtime, ALL) for runtime in demands), (ALL, ALL)}
    return [_row(key, offered[key], taken[key], demands[key[0]]) for key in sorted(keys, key=_order)]


def _grouped(items: Iterable[tuple[str, str, Lot | Let]]) -> defaultdict[Key, list]:
    """By runtime and region, and by runtime alone."""
    groups = defaultdict[Key, list](list)
    for runtime, region, item in items:
        groups[runtime, region].append(item)
        groups[runtime, ALL].append(item)
    return groups


def _order(key: Key) -> tuple[bool, str, bool, bool, str]:
    """Runtimes by name and all of them last; in each the regions by name, the unknown one, and the sum."""
    runtime, region = key
    return runtime == ALL, runtime, region == ALL, region == "", region


def _row(key: Key, lots: Sequence[Lot], lets: Sequence[Let], demands: int) -> Row:
    prices = [lot.thread_hour_glm for lot in lots]
    return Row(
        *key,
        offers=len(lots),
        nodes=len({lot.node_id for lot in lots}),
        cpu_threads=sum((lot.cpu_threads for lot in lots), ZERO),
        cpu_threads_free=sum((lot.cpu_threads_free for lot in lots), ZERO),
        mem_gib=sum((lot.mem_gib for lot in lots), ZERO),
        mem_gib_free=sum((lot.mem_gib_free for lot in lots), ZERO),
        gpus=sum(lot.gpus for lot in lots),
        gpus_free=sum(lot.gpus_free for lot in lots),
        agreements=sum(let.agreements for let in lets),
        cpu_threads_let=sum((let.cpu_threads for let in lets), ZERO),
        least_glm=min((lot.thread_hour_glm for lot in lots if lot.has_room), default=None),
        median_glm=round_glm(median(prices)) if prices else None,
        mean_glm=_mean((lot.thread_hour_glm, lot.cpu_threads) for lot in lots),
        paid_glm=_mean((let.thread_hour_glm, let.cpu_threads) for let in lets),
        demands=demands,
    )


def _mean(weighed: Iterable[tuple[Decimal, Decimal]]) -> Decimal | None:
    """None of nothing."""
    pairs = list(weighed)
    weight = sum((weight for _, weight in pairs), ZERO)
    return round_glm(sum((price * weight for price, weight in pairs), ZERO) / weight) if weight else None
