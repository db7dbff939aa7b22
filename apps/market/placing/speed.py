"""What may be asked of a node's newest `NodeBenchmark`, which the Bee measured itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure of a benchmark that a demand may name."""

    figure: str
    """Of `NodeBenchmark`."""
    unit: str
    """What is told to people after the number."""
    at_most: bool = False
    """The demand names the most it bears; otherwise the least it needs."""


MARKS = {
    "cpu": Mark("cpu_single", "CPU units a thread"),
    "mem_gib_s": Mark("mem_gib_s", "GiB/s of memory"),
    "disk_write_mib_s": Mark("disk_write_mib_s", "MiB/s written to disk"),
    "disk_read_mib_s": Mark("disk_read_mib_s", "MiB/s read from disk"),
    "up_mbit_s": Mark("up_mbit_s", "Mbit/s up"),
    "down_mbit_s": Mark("down_mbit_s", "Mbit/s down"),
    "round_trip_ms": Mark("round_trip_ms", "ms to the Queen and back", at_most=True),
}
"""What `x-hive.benchmarks` may name."""
