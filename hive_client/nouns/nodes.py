"""Nodes and Bees: what they offer, what they earned, and why not more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Offer:
    runtime: str
    cpu_threads: Decimal
    mem_gib: Decimal
    storage_gib: Decimal
    gpus: int
    price_per_hour_glm: Decimal
    """Of all it offers, every thread busy."""
    price_per_thread_hour_glm: Decimal
    """Of one busy thread: what nodes are compared by."""


@dataclass(frozen=True)
class Benchmark:
    """What a node measured of itself; None: could not be measured."""

    at: datetime
    cpu_single: float | None = None
    """Units of work a second, by one thread; `cpu_all` by all together."""
    cpu_all: float | None = None
    mem_gib_s: float | None = None
    disk_write_mib_s: float | None = None
    disk_read_mib_s: float | None = None
    up_mbit_s: float | None = None
    down_mbit_s: float | None = None
    round_trip_ms: float | None = None


@dataclass(frozen=True)
class Node:
    """`private` holds what its owner alone sees."""

    id: str
    name: str
    state: str
    scheduling: str
    approved: bool
    runtimes: list[str]
    cpu_threads: Decimal
    mem_gib: Decimal
    storage_gib: Decimal
    gpus: int
    cpu_threads_claimed: Decimal
    mem_gib_claimed: Decimal
    storage_gib_claimed: Decimal
    gpus_claimed: int
    offers: list[Offer]
    mine: bool
    region: str = ""
    """As its owner declares it."""
    region_fault: str = ""
    """Why the declared region is not believed; "": it is."""
    round_trip_ms: float | None = None
    """As the Queen measured it lately."""
    last_seen_at: datetime | None = None
    benchmark: Benchmark | None = None
    private: dict[str, Any] | None = None


@dataclass(frozen=True)
class Earnings:
    """What was earned in all is paid, on the way or pending."""

    today_glm: Decimal
    """Since midnight UTC."""
    month_glm: Decimal
    """In the last 30 days."""
    total_glm: Decimal
    paid_glm: Decimal
    on_the_way_glm: Decimal
    pending_glm: Decimal


@dataclass(frozen=True)
class Run:
    """What runs on a Bee of yours; `observed` is what the Bee reports, "" while it has not."""

    agreement: str
    image: str
    runtime: str
    team: str
    cpu_threads: Decimal
    mem_gib: Decimal
    observed: str
    since: datetime
    price_per_hour_glm: Decimal


@dataclass(frozen=True)
class WhyNotMore:
    """What keeps a Bee from earning more, and what helps."""

    text: str
    remedy: str


@dataclass(frozen=True)
class AgreementEarned:
    """What one agreement brought in; `note_state` is that of its newest debit note, "" without one."""

    agreement: str
    image: str
    state: str
    reason: str
    earned_glm: Decimal
    note_state: str
    note_reason: str
    asked_glm: Decimal | None = None
    approved_at: datetime | None = None
    """None: the Bee did not sign it."""
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Bee:
    """A node of yours as its owner sees it. `rented_percent` and `offline_h` are of the last seven days."""

    id: str
    name: str
    state: str
    scheduling: str
    approved: bool
    runs: list[Run]
    earned: Earnings
    offline_h: float
    why_not_more: list[WhyNotMore]
    rented_percent: float | None = None
    """Of its threads; None: it has offered none yet."""
    reputation: float | None = None
    """0 to 1, from facts alone; None: a Hive that keeps none."""
    is_newcomer: bool = False
    last_seen_at: datetime | None = None
    agreements: list[AgreementEarned] | None = None
    """Of the last 30 days; only where one Bee is asked for."""


@dataclass(frozen=True)
class Enrolment:
    id: int
    hint: str
    approves: bool
    expires_at: datetime
    used_at: datetime | None = None
    node: str | None = None
    token: str | None = None
    """The secret; only in the answer that made it."""
