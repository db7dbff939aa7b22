"""Many replicas placed at once in one book: pure arithmetic, without a database. Nothing is reserved.

Each service in turn takes the best for each of its replicas, by the same order as `matching.rank`; what one
takes the next can't have. Those that have the least to choose from go first. Then `bettering` looks whether
the whole gets cheaper when replicas change places.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from apps.market.needs import Need, Want
from apps.market.placing.bettering import better
from apps.market.placing.book import Book, Ints
from apps.market.placing.conditions import eligible
from apps.market.placing.listing import Choice
from apps.market.placing.matching import cheapest, why_too_dear, within_limit
from apps.market.placing.nearest import Near, nearest, why_nothing_fits
from apps.market.placing.reasons import Reasons
from apps.market.placing.seating import Seats, beside


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one replica would go, at which price and why there; or why nowhere, and what is nearest."""

    choice: Choice | None = None
    because: list[str] = field(default_factory=list)
    reason: str = ""
    nearest: Near | None = None

    @property
    def node_id(self) -> str | None:
        return self.choice.offer.node_id if self.choice else None

    @property
    def offer_id(self) -> str | None:
        return str(self.choice.offer.id) if self.choice else None

    @property
    def price_per_hour_glm(self) -> Decimal | None:
        return self.choice.per_hour_glm if self.choice else None


def place(book: Book, wants: Sequence[Want]) -> list[list[Placement]]:
    """For each want as many placements as it counts. The book stays as it is."""
    free = book.free.copy()
    seats = _seated(book, wants, free)
    better(seats, free)
    return [_told(book, each, free) for each in seats]


def _seated(book: Book, wants: Sequence[Want], free: Ints) -> list[Seats]:
    seats: dict[int, Seats] = {}
    groups = defaultdict[str, list[str]](list)
    for number in _in_turn(book, wants):
        want = wants[number]
        near = groups[want.need.affinity.group] if want.need.affinity else list[str]()
        need = beside(want.need, groups[want.need.group] if want.need.group else [], near)
        mine = Seats(book, replace(want, need=need), eligible(book, need, book.free), free)
        mine.fill()
        seats[number] = mine
        groups[need.group] += [book.listings[one].node_id for one in mine.listings]
    return [seats[number] for number in range(len(wants))]


def _in_turn(book: Book, wants: Sequence[Want]) -> list[int]:
    """Whom others want to be beside goes before them; then the scarcer their choice, the sooner."""
    choice = [int(eligible(book, _alone(want.need), book.free).sum()) / max(want.count, 1) for want in wants]
    return sorted(range(len(wants)), key=lambda number: (_depth(wants, number), choice[number], number))


def _alone(need: Need) -> Need:
    """Without those who have no place yet."""
    return replace(need, affinity=None)


def _depth(wants: Sequence[Want], number: int) -> int:
    """How many come before it in a chain of affinities; a ring is cut where it closes."""
    names = {want.need.group: want.need.affinity for want in wants if want.need.group}
    seen = {wants[number].need.group}
    affinity = wants[number].need.affinity
    while affinity and affinity.group not in seen:
        seen.add(affinity.group)
        affinity = names.get(affinity.group)
    return len(seen)


def _told(book: Book, seats: Seats, free: Ints) -> list[Placement]:
    reasons = Reasons(book, seats.need, free=free, siblings=seats.listings)
    placed = []
    for one in seats.listings:
        choice = book.choice(one, seats.need.cpu_threads)
        placed.append(Placement(choice=choice, because=reasons.of(choice)))
    missing = seats.count - len(seats.taken)
    return placed + ([_missing(book, seats, free)] * missing if missing else [])


def _missing(book: Book, seats: Seats, free: Ints) -> Placement:
    taken = [book.listings[one].node_id for one in seats.listings]
    need = beside(seats.need, taken, [])
    left = book.with_free(free)
    dear = cheapest(left, need)
    too_dear = dear is not None and not within_limit(dear, need)
    reason = why_too_dear(dear, need) if dear and too_dear else why_nothing_fits(left, need)
    return Placement(reason=reason, nearest=nearest(left, need))
