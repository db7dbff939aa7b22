"""What the Bee offers for rent."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta

from agent.price import Price
from agent.protocol.base import Message, Part

RUNTIMES = ("docker", "process", "qemu", "wasm")
"""All that there are."""
MAX_OFFERS = 16
"""In a frame: one for each runtime, and room for more runtimes."""


class Offer(Part):
    """One runtime of a node for rent, signed by the node as EIP-712 `Offer`."""

    offer_id: str
    runtime: str
    cpu_threads: Decimal
    mem_gib: Decimal
    storage_gib: Decimal
    price: Price
    valid_s: float
    issued_at_ms: int
    signature: str
    gpus: Annotated[int, Meta(ge=0, le=1024)] = 0
    properties: dict[str, Any] = {}


class Offers(Message):
    """Bee: the complete set of its offers; one that is missing is withdrawn."""

    offers: Annotated[list[Offer], Meta(max_length=MAX_OFFERS)]
