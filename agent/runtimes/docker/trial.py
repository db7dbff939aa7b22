"""Whether the engine can do what a replica needs: a container is run just as one, of an image that is empty.

No image may be there and none may be had now, so the program is the one that the engine itself puts into each
container (`Init`): asked for its version it says so and ends well.
"""

from __future__ import annotations

import asyncio
import io
import tarfile
import uuid
from decimal import Decimal

from agent import clock
from agent.protocol import Assignment, Workload
from agent.runtimes.base import Order, Run, Runtime, RuntimeFault
from agent.runtimes.docker.engine import Absent, Engine

_REPOSITORY, _TAG = "hive/self-test", "1"
_COMMAND = ["/sbin/docker-init", "--version"]
_PATIENCE_S = 30.0
_STEP_S = 0.05


async def try_out(runtime: Runtime, engine: Engine, node_id: str, *, gpus: int = 0) -> None:
    """Takes about half a second, and its patience at most. Raises RuntimeFault with what did not work."""
    await _have_image(engine)
    run = await runtime.start(_order(node_id, gpus))
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await _end_well(runtime, run)
    except TimeoutError:
        raise RuntimeFault(f"a container that should end at once runs for {_PATIENCE_S:g} s") from None
    finally:
        await runtime.remove(run)


async def _end_well(runtime: Runtime, run: Run) -> None:
    while (status := await runtime.status(run)).alive:
        await asyncio.sleep(_STEP_S)
    if not status.reason.startswith("exited with status 0"):
        raise RuntimeFault(f"a container that should end well {status.reason}")


async def _have_image(engine: Engine) -> None:
    try:
        await engine.ask(engine.api.inspect_image, f"{_REPOSITORY}:{_TAG}")
    except Absent:
        await engine.ask(engine.api.import_image_from_data, _nothing(), _REPOSITORY, _TAG)


def _nothing() -> bytes:
    buffer = io.BytesIO()
    tarfile.open(fileobj=buffer, mode="w").close()
    return buffer.getvalue()


def _order(node_id: str, gpus: int) -> Order:
    workload = Workload(
        image=f"{_REPOSITORY}:{_TAG}",
        runtime="docker",
        cpu_threads=Decimal(1),
        mem_gib=Decimal("0.0625"),
        command=_COMMAND,
        read_only=True,
        gpus=gpus,
    )
    assignment = Assignment(
        assignment_id=f"self-test-{uuid.uuid4()}",
        agreement_id="",
        replica="self-test",
        generation=0,
        lease_s=_PATIENCE_S,
        workload=workload,
    )
    until_s = clock.boot_s() + _PATIENCE_S
    return Order(assignment=assignment, node_id=node_id, advertise="127.0.0.1", lease_until_s=until_s)
