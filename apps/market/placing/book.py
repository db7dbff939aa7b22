"""The book: the offers that can be taken now, and the same as columns of numbers for quick arithmetic.

Sizes are whole thousandths, as the tables keep them, so that room is counted exactly. Prices in the columns
are floats that only order; whoever is chosen is reckoned again in Decimal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from copy import copy
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from agent.protocol import Price
from apps.market.models import Spread
from apps.market.placing.listing import Choice, Listing
from apps.nodes.sizes import Size

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

THOUSANDTHS = 1000
HOUR_S = 3600.0


class Place(NamedTuple):
    """What spreading and affinity have to know of a node, also of one that offers nothing now."""

    owner_id: int
    region: str
    is_newcomer: bool


class Book:
    """Listings, best read through columns; `take` counts what is sold from it.

    `meeting` gives the ids of the offers that meet a filter, `where` the places of nodes without an offer.
    """

    def __init__(
        self,
        listings: Iterable[Listing],
        *,
        meeting: Callable[[str], Collection[UUID]],
        where: Callable[[Collection[str]], Mapping[str, Place]],
    ) -> None:
        self.listings = list(listings)
        self._columns = dict(zip(Listing._fields, zip(*self.listings, strict=True), strict=False))
        self._meeting, self._where = meeting, where
        self._places: dict[str, Place | None] = {}
        self._meets: dict[str, Mask] = {}
        self._figures: dict[str, Floats] = {}
        self._prices: Mapping[int, Price] = {}

    def __len__(self) -> int:
        return len(self.listings)

    # -- columns ------------------------------------------------------------------------------------------

    @cached_property
    def nodes(self) -> dict[str, int]:
        """The place of each node in `free`."""
        return _numbers(self._column("node_id"))

    @cached_property
    def node(self) -> Ints:
        """Of each listing, its node's place in `free`."""
        return _coded(self._column("node_id"), self.nodes)

    @cached_property
    def owners(self) -> dict[int, int]:
        return _numbers(self._column("owner_id"))

    @cached_property
    def owner(self) -> Ints:
        return _coded(self._column("owner_id"), self.owners)

    @cached_property
    def regions(self) -> dict[str, int]:
        return _numbers(self._column("region"))

    @cached_property
    def region(self) -> Ints:
        return _coded(self._column("region"), self.regions)

    @cached_property
    def runtime(self) -> NDArray[np.str_]:
        return np.array(self._column("runtime"), dtype=np.str_)

    @cached_property
    def size(self) -> Ints:
        """Of each listing, in thousandths: CPU threads, GiB of memory, GiB of storage, GPUs."""
        return self._thousandths("cpu_threads", "mem_gib", "storage_gib", "gpus")

    @cached_property
    def free(self) -> Ints:
        """Of each node, as `size`."""
        left = np.zeros((len(self.nodes), 4), dtype=np.int64)
        left[self.node] = self._thousandths(
            "free_cpu_threads", "free_mem_gib", "free_storage_gib", "free_gpus"
        )
        return left

    @cached_property
    def is_newcomer(self) -> Mask:
        return np.array(self._column("is_newcomer"), dtype=np.bool_)

    @cached_property
    def silence(self) -> Ints:
        """Of each listing, its place by how lately its node was heard, the latest first."""
        heard = [at.timestamp() if at else 0.0 for at in self._column("heard_at")]
        return np.argsort(np.argsort(-np.array(heard, dtype=np.float64), kind="stable"), kind="stable")

    def figure(self, name: str) -> Floats:
        """A column of numbers; NaN is unknown."""
        if name not in self._figures:
            self._figures[name] = np.array(self._column(name), dtype=np.float64)
        return self._figures[name]

    def per_hour(self, cpu_threads: Decimal) -> Floats:
        """GLM per hour of each listing for so many threads."""
        rate = self.figure("second_glm") + self.figure("cpu_second_glm") * float(cpu_threads)
        return rate * HOUR_S

    def level(self, by: str) -> Ints:
        """Of each listing, the number of its node, its owner or its region."""
        return {Spread.NODE: self.node, Spread.OWNER: self.owner, Spread.REGION: self.region}[Spread(by)]

    def numbers(self, node_ids: Collection[str], by: str) -> list[int]:
        """The numbers, in `level(by)`, of the places of any nodes, where a listing is there, too."""
        if by == Spread.NODE:
            found = [self.nodes.get(node_id) for node_id in node_ids]
        else:
            places = [place for place in self.places_of(node_ids) if place]
            if by == Spread.OWNER:
                found = [self.owners.get(place.owner_id) for place in places]
            else:
                found = [self.regions.get(place.region) for place in places if place.region]
        return [number for number in found if number is not None]

    # -- what is asked of it ------------------------------------------------------------------------------

    def meets(self, constraints: str) -> Mask:
        """Which listings meet a filter: asked of the database once for each text."""
        if constraints not in self._meets:
            ids = self._meeting(constraints)
            met = np.fromiter((listing.id in ids for listing in self.listings), np.bool_, len(self))
            self._meets[constraints] = met
        return self._meets[constraints]

    def places_of(self, node_ids: Collection[str]) -> list[Place | None]:
        """Where they are; None for a node that nobody knows. Those without an offer are looked up once."""
        unknown = {one for one in node_ids if one not in self.nodes and one not in self._places}
        if unknown:
            found = self._where(unknown)
            self._places |= {one: found.get(one) for one in unknown}
        return [self._place_of(one) for one in node_ids]

    def _place_of(self, node_id: str) -> Place | None:
        if (number := self.nodes.get(node_id)) is None:
            return self._places[node_id]
        listing = self.listings[self._first_of[number]]
        return Place(listing.owner_id, listing.region, listing.is_newcomer)

    def find(self, offer_id: UUID | str) -> int | None:
        """The number of the listing of this offer."""
        return self._numbers_by_id.get(str(offer_id))

    def at(self, prices: Mapping[str, Price]) -> Book:
        """The same book with other prices, by offer id; offers that it does not list are passed over.

        Prices that were put before stay, where no others are put instead of them.
        """
        found = ((self.find(offer), price) for offer, price in prices.items())
        numbers = {number: price for number, price in found if number is not None}
        if not numbers:
            return self
        _ = self.size, self.silence, self.node, self.runtime, self.is_newcomer  # reckoned once, for all twins
        twin = copy(self)
        twin._figures, twin._prices = dict(self._figures), {**self._prices, **numbers}
        for name in ("second_glm", "cpu_second_glm"):
            column = self.figure(name).copy()
            for number, price in numbers.items():
                column[number] = float(getattr(price, name))
            twin._figures[name] = column
        return twin

    def price_of(self, number: int) -> Price:
        """Exactly: the offer's own, or the one that was put instead of it."""
        return self._prices.get(number) or self.listings[number].price

    def choice(self, number: int, cpu_threads: Decimal) -> Choice:
        """Exact."""
        price = self.price_of(number)
        return Choice(self.listings[number], price, price.per_hour_glm(cpu_threads))

    def with_free(self, free: Ints) -> Book:
        """The same book with other room left."""
        twin = copy(self)
        twin.__dict__["free"] = free
        return twin

    def take(self, node_id: str, size: Size) -> None:
        """Count something as sold: whoever looks into this book next finds less."""
        self.free[self.nodes[node_id]] -= thousandths(size)

    @cached_property
    def _first_of(self) -> Ints:
        return np.unique(self.node, return_index=True)[1]

    @cached_property
    def _numbers_by_id(self) -> dict[str, int]:
        return {str(listing.id): number for number, listing in enumerate(self.listings)}

    def _column(self, name: str) -> Sequence[Any]:
        return self._columns.get(name, ())

    def _thousandths(self, *names: str) -> Ints:
        columns = [np.array(self._column(name), dtype=np.float64) * THOUSANDTHS for name in names]
        return np.rint(np.stack(columns, axis=1)).astype(np.int64)


def thousandths(size: Size) -> Ints:
    """As a row of `Book.free`; what is asked in finer parts is rounded up."""
    asked = (size.cpu_threads, size.mem_gib, size.storage_gib, Decimal(size.gpus))
    return np.array([math.ceil(each * THOUSANDTHS) for each in asked], dtype=np.int64)


def exact(amount: int) -> Decimal:
    """Of thousandths."""
    return Decimal(int(amount)) / THOUSANDTHS


def _numbers(column: Sequence[Any]) -> dict[Any, int]:
    """Each different value and its number, in the order of their coming."""
    return {value: number for number, value in enumerate(dict.fromkeys(column))}


def _coded(column: Sequence[Hashable], numbers: Mapping[Any, int]) -> Ints:
    return np.fromiter((numbers[value] for value in column), np.int64, len(column))
