"""The self-test of a guarded runtime: a payload that ends well, run exactly as a replica would be."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal
from pathlib import Path

from agent import clock
from agent.protocol import Assignment, Workload
from agent.runtimes.base import Order, RuntimeFault
from agent.runtimes.guarded.runtime import Guarded, Payload

_WITHIN_S = 30.0
_STEP_S = 0.02
_WELL = "exited with status 0"


class _Trial(Guarded):
    version = ""

    def __init__(self, home: Path, payload: Payload) -> None:
        self.name = f"self-test-{uuid.uuid4().hex[:8]}"
        super().__init__(home)
        self._payload = payload

    async def prepare(self, workload: Workload) -> None:
        """There is no image: the payload is given."""

    def payload(self, order: Order, folder: Path, port: int | None) -> Payload:
        return self._payload

    def leave(self) -> None:
        self._work.rmdir()


async def try_out(home: Path, payload: Payload) -> None:
    """Guard, walls, limits and all. Raises RuntimeFault when it does not end with status 0 in time."""
    trial = _Trial(home, payload)
    run = await trial.start(_order())
    try:
        async with asyncio.timeout(_WITHIN_S):
            while (status := await trial.status(run)).alive:
                await asyncio.sleep(_STEP_S)
        reason = status.reason
    except TimeoutError:
        await trial.stop(run, 0)
        reason = f"it took longer than {_WITHIN_S:g} s"
    await trial.remove(run)
    trial.leave()
    if not reason.startswith(_WELL):
        raise RuntimeFault(f"its self-test failed: {reason}")


def _order() -> Order:
    return Order(
        assignment=Assignment(
            assignment_id=str(uuid.uuid4()),
            agreement_id="",
            replica="self-test",
            generation=0,
            lease_s=_WITHIN_S,
            workload=Workload(image="", runtime="", cpu_threads=Decimal(1), mem_gib=Decimal("0.25")),
        ),
        node_id="",
        advertise="127.0.0.1",
        lease_until_s=clock.boot_s() + 2 * _WITHIN_S,
    )
