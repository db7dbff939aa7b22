"""The market: what is on offer, what it costs, and what the same costs elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True)
class MarketRow:
    """One runtime in one region of the book; `*` is all of them, a region of "" is not known.

    Prices are those of one CPU thread, busy for an hour; None: there is none.
    """

    runtime: str
    region: str
    offers: int
    nodes: int
    cpu_threads: Decimal
    cpu_threads_free: Decimal
    cpu_threads_let: Decimal
    mem_gib: Decimal
    mem_gib_free: Decimal
    agreements: int
    demands: int
    """Replicas of anybody that look for a node now, of all regions."""
    gpus: int = 0
    gpus_free: int = 0
    least_glm: Decimal | None = None
    """The cheapest with something free."""
    median_glm: Decimal | None = None
    mean_glm: Decimal | None = None
    paid_glm: Decimal | None = None
    """In the agreements in force."""


@dataclass(frozen=True)
class MarketOffer:
    """One offer that can be taken now."""

    id: str
    node: str
    node_name: str
    runtime: str
    region: str
    cpu_threads: Decimal
    cpu_threads_free: Decimal
    mem_gib: Decimal
    mem_gib_free: Decimal
    storage_gib: Decimal
    storage_gib_free: Decimal
    gpus: int
    gpus_free: int
    thread_hour_glm: Decimal
    start_glm: Decimal
    cpu_second_glm: Decimal
    second_glm: Decimal
    egress_gib_glm: Decimal
    valid_until: datetime


@dataclass(frozen=True)
class CloudPrice:
    """A list price on the day `as_of`, in the currency of the list."""

    provider: str
    product: str
    region: str
    cpu_threads: Decimal
    mem_gib: Decimal
    price_per_hour: Decimal
    currency: str
    as_of: str
    source: str


@dataclass(frozen=True)
class CostHere:
    """What finds no place now costs nothing; `reason` says why."""

    replicas: int
    placed: int
    per_hour_glm: Decimal
    per_month_glm: Decimal
    reason: str = ""


@dataclass(frozen=True)
class Worth:
    """The same in another currency, by the operator's rate of a day: an estimate."""

    currency: str
    as_of: str
    per_hour: Decimal
    per_month: Decimal


@dataclass(frozen=True)
class CostThere:
    """At a public cloud; `per_hour_glm` is an estimate, None without a rate."""

    price: CloudPrice
    replicas: int
    per_hour: Decimal
    per_month: Decimal
    per_hour_glm: Decimal | None = None


@dataclass(frozen=True)
class Comparison:
    """What so many replicas would cost here and at public clouds; a month is 730 hours."""

    here: CostHere
    worth: list[Worth]
    there: list[CostThere]
