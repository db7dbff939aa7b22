"""From assignment to running container: a Bee's whole way beside the engine's own create and start.

Both run the same container, in turns, through the same SDK: the same image, limits and published port, on a
network that is there already. The Bee's way begins with the Queen's frame: read and judged by the rules,
metered and journalled, the image looked up, a lease written for the fence; it ends when the Bee would report
`running`.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path

import docker
from eth_account import Account
from msgspec.structs import replace

from agent import typed_data
from agent.bee import Bee
from agent.config import Config, Rent, Rules, write_config
from agent.life import start_up
from agent.protocol import (
    AgreementToSign,
    Assignment,
    Challenge,
    Offers,
    Price,
    RunState,
    Terms,
    Wanted,
    Welcome,
    Workload,
    encode,
)
from agent.runtimes.base import Order
from agent.runtimes.docker.container import creation
from agent.runtimes.docker.runtime import STORAGE_BYTES
from agent.sifting import read
from benchmarks.figure import Figure
from hive_portal.demo.images import REFERENCE, import_into_engine

ROUNDS = 25
_WARM_UP = 3
_CHAIN_ID = 31337
_MEM_GIB = Decimal("0.25")
_PATIENCE_S = 60.0


def measure() -> Figure:
    engine = docker.APIClient()
    import_into_engine(docker.from_env())
    with _network(engine) as own:
        raw_s, default_s, bee_s = asyncio.run(_measure(engine, own))
    median_ms = statistics.median(default_s) * 1000
    return Figure(
        name="start",
        value=statistics.median(bee_s) * 1000,
        unit="ms",
        peer="the engine's own create and start of the same container",
        peer_value=statistics.median(raw_s) * 1000,
        target=1.15,
        at_least=False,
        note=f"assignment to running container, median of {ROUNDS} in turns; "
        f"on the engine's default network, with nothing between replicas, {median_ms:.4g} ms",
    )


async def _measure(engine: docker.APIClient, own: str) -> tuple[list[float], ...]:
    times: tuple[list[float], ...] = ([], [], [])
    async with _running_bee() as queen:
        for _ in range(_WARM_UP + ROUNDS):
            times[0].append(_start_raw(engine, own))
            times[1].append(_start_raw(engine, "bridge"))
            times[2].append(await queen.start_one())
    return tuple(each[_WARM_UP:] for each in times)


def _start_raw(engine: docker.APIClient, network: str) -> float:
    terms = _terms(str(uuid.uuid4()))
    order = Order(assignment=_assignment(terms), node_id="0xbench", advertise="127.0.0.1", lease_until_s=0.0)
    body = creation(order, image=REFERENCE, network=network, storage_bytes=STORAGE_BYTES)
    begun = time.perf_counter()
    id = engine.create_container_from_config(body)["Id"]
    engine.start(id)
    took_s = time.perf_counter() - begun
    engine.remove_container(id, force=True)
    return took_s


@contextmanager
def _network(engine: docker.APIClient) -> Iterator[str]:
    name = "hive-bench"
    engine.create_network(name, driver="bridge")
    try:
        yield name
    finally:
        engine.remove_network(name)


@asynccontextmanager
async def _running_bee() -> AsyncIterator[_Queen]:
    """A real Bee in this process, without a link: what a Queen would say is put before it by hand."""
    home = Path(tempfile.mkdtemp(prefix="hive-bench-"))
    wake = asyncio.Event()
    try:
        write_config(home, _config())
        bee = await start_up(home, wake, None)
        keeping = asyncio.create_task(bee.keeper.run())
        yield _Queen(bee, wake)
        await bee.keeper.stop_everything(_PATIENCE_S)
        keeping.cancel()
        bee.journal.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _config() -> Config:
    return Config(
        url="http://127.0.0.1",
        name="bench",
        advertise="127.0.0.1",
        rent=Rent(threads=Decimal(1), mem_gib=Decimal(1)),
        rules=Rules(runtimes=("docker",)),
    )


class _Queen:
    """What this Bee is told: one agreement and one assignment after the other."""

    def __init__(self, bee: Bee, wake: asyncio.Event) -> None:
        self._bee, self._wake, self._key = bee, wake, Account.create()
        self._revision = 0
        address = str(self._key.address).lower()
        bee.hello(Challenge(nonce="0x" + "00" * 32, queen=address, chain_id=_CHAIN_ID))
        bee.welcomed(
            Welcome(approved=True, heartbeat_s=10, metering_interval_s=60, now_ms=time.time_ns() // 1_000_000)
        )
        said = [each for each in bee.to_say() if isinstance(each, Offers)]
        self._offer = said[0].offers[0]

    async def start_one(self) -> float:
        """Seconds from the frame with the assignment to RUNNING; then it is ended and cleared away."""
        terms = _terms(
            str(uuid.uuid4()),
            requestor=str(self._key.address).lower(),
            provider=self._bee.node_id,
            offer_id=self._offer.offer_id,
            price=self._offer.price,
        )
        signature = typed_data.sign(typed_data.agreement(terms, chain_id=_CHAIN_ID), self._key)
        self._say(agreements=[AgreementToSign(terms=terms, requestor_signature=signature)])
        given = _assignment(terms)
        begun = time.perf_counter()
        self._say(assignments=[given])
        await self._until(lambda: self._state(given) in (RunState.RUNNING, RunState.HEALTHY))
        took_s = time.perf_counter() - begun
        self._say()
        await self._until(lambda: not self._bee.keeper.runs())
        await self._bee.runtimes["docker"]._networks.settle()  # type: ignore[attr-defined]
        return took_s

    def _say(self, **parts: list[Assignment] | list[AgreementToSign]) -> None:
        self._revision += 1
        wanted = Wanted(
            revision=self._revision,
            heartbeat_s=10,
            metering_interval_s=60,
            approved=True,
            now_ms=time.time_ns() // 1_000_000,
            **parts,  # type: ignore[arg-type]
        )
        heard = read(encode(wanted))
        assert isinstance(heard, Wanted)
        self._bee.take_wanted(heard)

    def _state(self, given: Assignment) -> RunState | None:
        found = {each.assignment_id: each for each in self._bee.keeper.observed()}
        seen = found.get(given.assignment_id)
        if seen and seen.state == RunState.FAILED:
            raise RuntimeError(f"the container did not start: {seen.reason}")
        return seen.state if seen else None

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while not reached():
                self._wake.clear()
                await self._wake.wait()


def _terms(agreement_id: str, **changes: str | Price) -> Terms:
    now_ms = time.time_ns() // 1_000_000
    terms = Terms(
        agreement_id=agreement_id,
        requestor="",
        provider="",
        offer_id="",
        runtime="docker",
        image=REFERENCE,
        cpu_threads=Decimal(1),
        mem_gib=_MEM_GIB,
        price=Price(start_glm=Decimal(0), second_glm=Decimal(0), cpu_second_glm=Decimal(0)),
        valid_from_ms=now_ms,
        expires_at_ms=now_ms + 3_600_000,
    )
    return replace(terms, **changes)


def _assignment(terms: Terms) -> Assignment:
    return Assignment(
        assignment_id=str(uuid.uuid4()),
        agreement_id=terms.agreement_id,
        replica="bench-1",
        generation=1,
        lease_s=300,
        workload=Workload(
            image=terms.image,
            runtime="docker",
            cpu_threads=terms.cpu_threads,
            mem_gib=terms.mem_gib,
            port=8000,
            stop_grace_s=0,
        ),
    )
