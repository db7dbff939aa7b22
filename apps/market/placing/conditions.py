"""What a need asks, condition by condition: how far each listing is from meeting it, and what to say of that.

A gap of 0 is met. Above that it is the share by which a number falls short, so that unlike things can be
compared; 1 and more for what is no number; infinite where nothing that the asker could change would help.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from apps.market.needs import Need
from apps.market.placing.book import Book, Floats, Ints, Mask, exact, thousandths
from apps.market.placing.speed import MARKS
from apps.market.placing.standing import counts, is_beside
from apps.market.words import enough, figure, gib, six_digits
from apps.nodes.sizes import memory

ROUNDING = 1e-9
"""The share by which a float may differ from what is exact."""
HOURS_OF_A_START = 24
"""Where a file names no limit at all, what it costs to begin is at most the rate of so many hours."""
EGRESS_LIMIT_GLM = Decimal(1)
"""For a GiB, where a file names none: the rate by which offers are compared says nothing of it."""
OTHER = 1.0
"""The gap of another region, or of a filter that is not met: as much as twice the price."""
OTHER_RUNTIME = 2.0
SIZES = ("cpu_threads", "mem_gib", "storage_gib", "gpus")


@dataclass(frozen=True, slots=True)
class Condition:
    gap: Floats
    why: Callable[[Ints], str]
    """Why none of these listings meets it, all of which meet what was asked before."""
    relaxed: Callable[[Need, int], Need]
    """The need as it would have to be for this listing."""
    instead: Callable[[int], str]
    """What that would be, in words."""

    @property
    def met(self) -> Mask:
        return self.gap == 0


def conditions(book: Book, need: Need, have: Ints) -> Iterator[Condition]:
    """All but room and price. `have` is the size to compare with, of each listing."""
    yield _runtime(book, need)
    yield from _sizes(need, have)
    yield _start_price(book, need)
    yield _egress_price(book, need)
    if need.allowed_nodes is not None:
        yield _allowed(book, need)
    if need.regions:
        yield _regions(book, need)
    if need.constraints:
        yield _constraints(book, need)
    for name in need.benchmarks:
        yield _benchmark(book, need, name)
    if need.spread_required:
        yield _apart(book, need)
    if need.affinity and need.affinity.required:
        yield _together(book, need)


def eligible(book: Book, need: Need, free: Ints) -> Mask:
    """Which listings could serve, whatever they cost; `free` as the book keeps it."""
    met = has_room(book, need, free)
    for condition in conditions(book, need, book.size):
        met &= condition.met
    return met


def has_room(book: Book, need: Need, free: Ints) -> Mask:
    fits: Mask = np.all(free >= thousandths(need.size), axis=1)
    return fits[book.node]


def is_within_limit(book: Book, need: Need) -> Mask:
    """Exactly: where a float can't tell, the price is reckoned."""
    limit = need.max_price_per_hour_glm
    if limit is None:
        return np.ones(len(book), dtype=np.bool_)
    prices, band = book.per_hour(need.cpu_threads), float(limit) * ROUNDING
    within = prices <= float(limit)
    for one in np.flatnonzero(np.abs(prices - float(limit)) <= band).tolist():
        within[one] = book.price_of(one).per_hour_glm(need.cpu_threads) <= limit
    return within


def start_limits(book: Book, need: Need) -> Floats:
    """The most that beginning may cost, of each listing, in GLM: nobody baits with a low rate alone.

    As the file says, else what an hour may cost, else what a day at the offer's own rate does.
    """
    limit = need.max_start_glm if need.max_start_glm is not None else need.max_price_per_hour_glm
    if limit is not None:
        return np.full(len(book), float(limit))
    return book.per_hour(need.cpu_threads) * HOURS_OF_A_START


def _start_price(book: Book, need: Need) -> Condition:
    return _price(book, "start_glm", start_limits(book, need), "to begin with", "max_start_price")


def _egress_price(book: Book, need: Need) -> Condition:
    limit = EGRESS_LIMIT_GLM if need.max_egress_gib_glm is None else need.max_egress_gib_glm
    limits = np.full(len(book), float(limit))
    return _price(book, "egress_gib_glm", limits, "for a GiB that is sent", "max_egress_price")


def _price(book: Book, name: str, limits: Floats, what: str, key: str) -> Condition:
    asked = book.figure(name)

    def told(one: int) -> str:
        return f"x-hive.{key} of {enough(getattr(book.listings[one], name))} GLM"

    def why(among: Ints) -> str:
        one = int(among[np.argmin(asked[among])])
        least = six_digits(getattr(book.listings[one], name))
        return f"every bee that could asks {least} GLM or more {what}: too much without x-hive.{key}"

    field = {"start_glm": "max_start_glm"}.get(name, "max_egress_gib_glm")
    return Condition(
        gap=np.where(asked <= limits * (1 + ROUNDING), 0.0, OTHER),
        why=why,
        relaxed=lambda need, one: replace(need, **{field: getattr(book.listings[one], name)}),
        instead=told,
    )


def _runtime(book: Book, need: Need) -> Condition:
    def why(among: Ints) -> str:
        offered = ", ".join(sorted(set(book.runtime[among].tolist())))
        return f"no bee offers runtime {' or '.join(need.runtimes)}: offered are {offered}"

    return Condition(
        gap=np.where(np.isin(book.runtime, list(need.runtimes)), 0.0, OTHER_RUNTIME),
        why=why,
        relaxed=lambda need, one: replace(need, runtimes=[*need.runtimes, str(book.runtime[one])]),
        instead=lambda one: f"runtime {book.runtime[one]}",
    )


def _sizes(need: Need, have: Ints) -> Iterator[Condition]:
    for column, (name, asked) in enumerate(zip(SIZES, thousandths(need.size).tolist(), strict=True)):
        if asked:
            yield _size(name, asked, have[:, column])


def _size(name: str, asked: int, have: Ints) -> Condition:
    def why(among: Ints) -> str:
        most = exact(have[among].max())
        return f"no bee offers {told(name, exact(asked))}: the largest has {_bare(name, most)}"

    def relaxed(need: Need, one: int) -> Need:
        value = exact(have[one])
        changed: dict[str, Any] = {name: int(value) if name == "gpus" else value}
        return replace(need, **changed)

    gap = np.maximum(asked - have, 0) / asked
    if name in ("cpu_threads", "mem_gib"):
        gap = np.where(have <= 0, np.inf, gap)
    return Condition(
        gap=gap,
        why=why,
        relaxed=relaxed,
        instead=lambda one: _less(name, exact(have[one]), exact(asked)),
    )


def _allowed(book: Book, need: Need) -> Condition:
    allowed = set(need.allowed_nodes or ())
    numbers = [number for node_id, number in book.nodes.items() if node_id in allowed]
    return Condition(
        gap=np.where(np.isin(book.node, numbers), 0.0, np.inf),
        why=lambda _: (
            "none of the bees that the application key allows is online with an offer that would do"
        ),
        relaxed=lambda need, _: need,
        instead=lambda _: "another application key",
    )


def _regions(book: Book, need: Need) -> Condition:
    def why(among: Ints) -> str:
        there = sorted({book.listings[one].region for one in among.tolist()} - {""})
        others = f"there are {', '.join(there)}" if there else "none says where it is, and is believed"
        return f"no bee that could is in region {' or '.join(need.regions)}: {others}"

    def instead(one: int) -> str:
        region, asked = book.listings[one].region, " or ".join(need.regions)
        return f"region {region} instead of {asked}" if region else "no x-hive.region"

    def relaxed(need: Need, one: int) -> Need:
        region = book.listings[one].region
        return replace(need, regions=(*need.regions, region) if region else ())

    right = [number for region, number in book.regions.items() if region and _is_in(region, need)]
    gap = np.where(np.isin(book.region, right), 0.0, OTHER)
    return Condition(gap=gap, why=why, relaxed=relaxed, instead=instead)


def _is_in(region: str, need: Need) -> bool:
    return any(fnmatchcase(region, pattern) for pattern in need.regions)


def _constraints(book: Book, need: Need) -> Condition:
    return Condition(
        gap=np.where(book.meets(need.constraints), 0.0, OTHER),
        why=lambda among: f"none of the {len(among)} offers that would do meets x-hive.constraints",
        relaxed=lambda need, _: replace(need, constraints=""),
        instead=lambda _: "no x-hive.constraints",
    )


def _benchmark(book: Book, need: Need, name: str) -> Condition:
    mark, limit = MARKS[name], need.benchmarks[name]
    have = book.figure(mark.figure)

    def why(among: Ints) -> str:
        asked = f"no bee measured {limit:.15g} {mark.unit}{' or less' if mark.at_most else ''}"
        known = have[among][~np.isnan(have[among])]
        if len(need.benchmarks) > 1 and (short <= 0).any():
            return "no bee meets all of x-hive.benchmarks at once"
        if not len(known):
            return f"{asked}: none that could has measured itself yet"
        best = known.min() if mark.at_most else known.max()
        return f"{asked}: the best has {figure(best, at_most=mark.at_most)}"

    short = (have - limit if mark.at_most else limit - have) / max(abs(limit), 1e-9)
    return Condition(
        gap=np.where(np.isnan(have), np.inf, np.maximum(short, 0)),
        why=why,
        relaxed=lambda need, one: replace(need, benchmarks={**need.benchmarks, name: float(have[one])}),
        instead=lambda one: f"{figure(have[one], at_most=mark.at_most)} {mark.unit} instead of {limit:.15g}",
    )


def _apart(book: Book, need: Need) -> Condition:
    taken = counts(book, need.beside_nodes, need.spread)[book.level(need.spread)] > 0
    if need.spread == "region" and "" in book.regions:
        # Where it is is not known: it may well be in the same region.
        taken |= book.region == book.regions[""]
    return Condition(
        gap=np.where(taken, OTHER, 0.0),
        why=lambda _: f"every {need.spread} that could has one of its group: x-hive.spread is required",
        relaxed=lambda need, _: replace(need, spread_required=False),
        instead=lambda _: (
            f"sharing {'an' if need.spread == 'owner' else 'a'} {need.spread} with another of its group"
        ),
    )


def _together(book: Book, need: Need) -> Condition:
    assert need.affinity is not None
    by = need.affinity.by

    def why(_: Ints) -> str:
        if not need.near_nodes:
            return "it waits for those beside whom it has to be: x-hive.affinity is required"
        return f"no {by} where those are beside whom it has to be serves: x-hive.affinity is required"

    return Condition(
        gap=np.where(is_beside(book, need.near_nodes, by), 0.0, OTHER),
        why=why,
        relaxed=lambda need, _: replace(
            need, affinity=replace(need.affinity, required=False) if need.affinity else None
        ),
        instead=lambda _: f"not on the same {by} as those beside whom it has to be",
    )


def told(name: str, amount: Decimal) -> str:
    """A size in words."""
    return {
        "cpu_threads": lambda: f"{six_digits(amount)} CPU thread{'' if amount == 1 else 's'}",
        "mem_gib": lambda: f"{memory(amount)} of memory",
        "storage_gib": lambda: f"{gib(amount)} of storage",
        "gpus": lambda: f"{six_digits(amount)} GPU{'' if amount == 1 else 's'}",
    }[name]()


def _less(name: str, there: Decimal, asked: Decimal) -> str:
    if there <= 0:  # of threads and memory there is always some
        return "no GPUs" if name == "gpus" else "no storage"
    return f"{told(name, there)} instead of {_bare(name, asked)}"


def _bare(name: str, amount: Decimal) -> str:
    """Beside a size in words."""
    return {"mem_gib": memory, "storage_gib": gib}.get(name, six_digits)(amount)
