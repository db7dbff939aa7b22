"""How far the Queen is: small probes time the way, large ones its width, over the link itself."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress

from agent import clock
from agent.protocol import MAX_PROBE_BYTES, Echo, Probe

PATIENCE_S = 10.0
"""A Queen who has echoed enough for this hour says nothing."""
TRIPS, LARGE_PROBES = 5, 2
FIRST_BYTES = MAX_PROBE_BYTES // 8
SLOW_S = 1.0
"""A way on which the first probe takes longer is not burdened with a larger one."""


class Prober:
    """Questions to the Queen that wait for their echo."""

    def __init__(self, poke: Callable[[], None]) -> None:
        """`poke` is called when there is a probe to send."""
        self._poke = poke
        self._numbers = itertools.count(1)
        self._to_say: list[Probe] = []
        self._waiting: dict[int, asyncio.Future[float]] = {}

    def to_say(self) -> list[Probe]:
        probes, self._to_say = self._to_say, []
        return probes

    def heard(self, echo: Echo) -> None:
        waiting = self._waiting.pop(echo.probe_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(clock.boot_s())

    async def ask(self, *, padding_bytes: int = 0, echo_bytes: int = 0) -> float:
        """Seconds until the echo was here. Raises TimeoutError when none came."""
        number = next(self._numbers)
        heard_at = self._waiting[number] = asyncio.get_running_loop().create_future()
        started_at = clock.boot_s()
        self._to_say.append(Probe(probe_id=number, padding="." * padding_bytes, echo_bytes=echo_bytes))
        self._poke()
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await heard_at - started_at
        finally:
            self._waiting.pop(number, None)


async def measure_way(prober: Prober) -> dict[str, float]:
    """`round_trip_ms`, `up_mbit_s`, `down_mbit_s`; what the Queen would not tell is left out."""
    told: dict[str, float] = {}
    with suppress(TimeoutError):
        trip_s = min([await prober.ask() for _ in range(TRIPS)])
        told["round_trip_ms"] = trip_s * 1000
        told["up_mbit_s"] = await _width(lambda size: prober.ask(padding_bytes=size), trip_s)
        told["down_mbit_s"] = await _width(lambda size: prober.ask(echo_bytes=size), trip_s)
    return told


async def _width(ask: Callable[[int], Awaitable[float]], trip_s: float) -> float:
    """Mbit a second, by the fastest large probe."""
    first_s = await ask(FIRST_BYTES)
    if first_s > SLOW_S:
        return mbit_s(FIRST_BYTES, first_s, trip_s)
    return mbit_s(MAX_PROBE_BYTES, min([await ask(MAX_PROBE_BYTES) for _ in range(LARGE_PROBES)]), trip_s)


def mbit_s(size_bytes: int, elapsed_s: float, trip_s: float) -> float:
    """The way itself takes a round trip, the bytes what is left; a tenth at least, for clocks are coarse."""
    return size_bytes * 8 / 1e6 / max(elapsed_s - trip_s, elapsed_s / 10, 1e-6)
