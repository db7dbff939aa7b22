"""An offer as the book lists it, and the choice of one at a price."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from agent.protocol import Price


class Listing(NamedTuple):
    """One live offer with what matters of its node: a row of one query, for large books are read often."""

    id: UUID
    """The offer's."""
    node_id: str
    name: str
    """The node's."""
    owner_id: int
    region: str
    """Only one that is believed; otherwise ""."""
    runtime: str
    cpu_threads: Decimal
    mem_gib: Decimal
    storage_gib: Decimal
    gpus: int
    """The four sizes of the offer."""
    free_cpu_threads: Decimal
    free_mem_gib: Decimal
    free_storage_gib: Decimal
    free_gpus: int
    """What nobody has claimed of the node, all its offers together."""
    start_glm: Decimal
    cpu_second_glm: Decimal
    second_glm: Decimal
    egress_gib_glm: Decimal
    heard_at: datetime | None
    cpu_single: float | None = None
    mem_gib_s: float | None = None
    disk_write_mib_s: float | None = None
    disk_read_mib_s: float | None = None
    up_mbit_s: float | None = None
    down_mbit_s: float | None = None
    round_trip_ms: float | None = None
    """The figures of the node's newest benchmark; the round trip is the worse of its and the Queen's."""
    reputation: float = 1.0
    """From 0 to 1."""
    kept: int = 0
    lost: int = 0
    """Agreements of lately, as its reputation counts them."""
    is_newcomer: bool = False

    @property
    def price(self) -> Price:
        return Price(
            start_glm=self.start_glm,
            cpu_second_glm=self.cpu_second_glm,
            second_glm=self.second_glm,
            egress_gib_glm=self.egress_gib_glm,
        )

    @property
    def short(self) -> str:
        """For sentences."""
        return f"{self.node_id[:10]}…"


@dataclass(frozen=True, slots=True)
class Choice:
    """An offer at a price: its own, or the one that was bargained for."""

    offer: Listing
    price: Price
    per_hour_glm: Decimal
