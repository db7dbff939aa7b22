"""Listings by name for tests of pure decisions: what is not said is the same for all."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.market.needs import Need
from apps.market.placing.book import Book, Place
from apps.market.placing.listing import Choice, Listing

HOUR_S = 3600


def node_id(name: str) -> str:
    return "0x" + name.encode().hex().ljust(40, "0")


def listing(
    name: str,
    *,
    cpu: str = "2",
    mem: str = "4",
    claimed: str = "0",
    per_hour: str = "0.01",
    heard_s_ago: float = 0,
    **fields: Any,
) -> Listing:
    """`per_hour` in GLM, all of it by the second; `claimed` in threads."""
    given = {
        "id": uuid.uuid5(uuid.NAMESPACE_URL, f"{name} {fields.get('runtime', 'process')}"),
        "node_id": node_id(name),
        "name": name,
        "owner_id": 1,
        "region": "",
        "runtime": "process",
        "cpu_threads": Decimal(cpu),
        "mem_gib": Decimal(mem),
        "storage_gib": Decimal(1),
        "gpus": 0,
        "free_cpu_threads": Decimal(cpu) - Decimal(claimed),
        "free_mem_gib": Decimal(mem),
        "free_storage_gib": fields.get("storage_gib", Decimal(1)),
        "free_gpus": fields.get("gpus", 0),
        "start_glm": Decimal(0),
        "cpu_second_glm": Decimal(0),
        "second_glm": Decimal(per_hour) / HOUR_S,
        "egress_gib_glm": Decimal(0),
        "heard_at": timezone.now() - timedelta(seconds=heard_s_ago),
    }
    return Listing(**(given | fields))


def book(
    listings: Iterable[Listing],
    *,
    meeting: Callable[[str], Collection[UUID]] = lambda _: (),
    elsewhere: Mapping[str, Place] | None = None,
) -> Book:
    """`elsewhere` are nodes that offer nothing now."""
    return Book(listings, meeting=meeting, where=lambda _: elsewhere or {})


def need(**fields: Any) -> Need:
    return Need(**({"runtimes": ["process"], "cpu_threads": Decimal(1), "mem_gib": Decimal(1)} | fields))


def names(choices: Sequence[Choice]) -> list[str]:
    return [choice.offer.name for choice in choices]
