"""What the Bee offers: one signed offer for each runtime that works, in Golem's property names."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from agent import gpus, typed_data
from agent.config import Config
from agent.gpus import Gpu
from agent.identity import node_id
from agent.keys import Signer
from agent.protocol import Offer, Price
from agent.runtimes.base import Accelerated, Runtime

VALID_S = 3600.0
RENEW_AFTER_S = VALID_S / 2


def make_offers(
    *,
    runtimes: Iterable[Runtime],
    config: Config,
    asked: Price,
    machine: dict[str, Any],
    key: Signer,
    chain_id: int,
    now_ms: int,
) -> list[Offer]:
    """Each offers all that is for rent: the runtimes share it, and the Queen counts what is taken by node."""
    drafts = (
        Offer(
            offer_id=str(uuid.uuid4()),
            runtime=runtime.name,
            cpu_threads=config.rent.threads,
            mem_gib=config.rent.mem_gib,
            storage_gib=config.rent.storage_gib,
            gpus=len(_gpus(runtime, config)),
            price=asked,
            valid_s=VALID_S,
            issued_at_ms=now_ms,
            signature="",
            properties=machine | _properties(runtime, config, asked),
        )
        for runtime in runtimes
    )
    node = node_id(key)
    return [
        replace(each, signature=typed_data.sign(typed_data.offer(each, node=node, chain_id=chain_id), key))
        for each in drafts
    ]


def _gpus(runtime: Runtime, config: Config) -> list[Gpu]:
    """Those that this runtime gives, as many as the owner rents out."""
    return runtime.gpus[: config.rent.gpus] if isinstance(runtime, Accelerated) else []


def _properties(runtime: Runtime, config: Config, asked: Price) -> dict[str, Any]:
    rent = config.rent
    return {
        "golem.runtime.name": runtime.name,
        "golem.runtime.version": runtime.version,
        "golem.inf.cpu.threads": float(rent.threads),
        "golem.inf.mem.gib": float(rent.mem_gib),
        "golem.inf.storage.gib": float(rent.storage_gib),
        "golem.com.scheme": "payu",
        "golem.com.pricing.model": "linear",
        "golem.com.pricing.model.linear.coeffs": _coefficients(asked),
        "golem.com.usage.vector": ["golem.usage.cpu_sec", "golem.usage.duration_sec"],
        "golem.srv.caps.multi-activity": True,
        "hive.com.egress-gib-glm": _plain(asked.egress_gib_glm),
        **gpus.properties(_gpus(runtime, config)),
    }


def _coefficients(price: Price) -> list[str]:
    """In the order of the usage vector, the start price last; text, since money is never a float."""
    return [_plain(amount) for amount in (price.cpu_second_glm, price.second_glm, price.start_glm)]


def _plain(amount: Decimal) -> str:
    return f"{amount:f}"
