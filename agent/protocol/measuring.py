"""How fast a machine is, and the way to it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from agent.protocol.base import Count, Message, Millis, Rate

MAX_PROBE_BYTES = 512 * 1024


class Probe(Message):
    """Bee: echo `padding`, so that the way to the Queen can be timed. Rarely: the Queen answers a few."""

    probe_id: Count
    padding: Annotated[str, Meta(max_length=MAX_PROBE_BYTES)] = ""
    echo_bytes: Annotated[int, Meta(ge=0, le=MAX_PROBE_BYTES)] = 0
    """How much padding the echo should have."""


class Echo(Message):
    """Queen: the answer to a `Probe`."""

    probe_id: Count
    padding: str = ""


class Ping(Message):
    """Queen: answer this at once, so that the way to the Bee can be timed. Rarely."""

    ping_id: Millis
    """Nobody can know it before."""


class Pong(Message):
    """Bee: the answer to a `Ping`."""

    ping_id: Millis


class Benchmarks(Message):
    """Bee: what it measured of itself, newest only; a figure that could not be measured is 0."""

    at_ms: Millis
    cpu_single: Rate = 0.0
    """Work of one thread and of all threads, in the units of `agent/benchmark.py`."""
    cpu_all: Rate = 0.0
    mem_gib_s: Rate = 0.0
    disk_write_mib_s: Rate = 0.0
    disk_read_mib_s: Rate = 0.0
    up_mbit_s: Rate = 0.0
    down_mbit_s: Rate = 0.0
    round_trip_ms: Rate = 0.0
