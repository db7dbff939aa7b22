"""What every runtime's tests have in common: an order for one replica, and waiting for what comes of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agent import clock
from agent.protocol import Assignment, Workload
from agent.runtimes.base import Order

T = TypeVar("T")


def order_for(workload: Workload, *, lease_s: float, node_id: str = "0xbee", **fields: object) -> Order:
    """`fields` are the assignment's."""
    given = {"agreement_id": "g", "replica": "web-1", "generation": 3} | fields
    return Order(
        assignment=Assignment(
            assignment_id=str(uuid.uuid4()),
            lease_s=lease_s,
            workload=workload,
            **given,  # type: ignore[arg-type]
        ),
        node_id=node_id,
        advertise="127.0.0.1",
        lease_until_s=clock.boot_s() + lease_s,
    )


async def until(probe: Callable[[], Awaitable[T]], timeout_s: float = 10) -> T:
    """What the probe says, once it says something. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not (answer := await probe()):
            await asyncio.sleep(0.01)
        return answer
