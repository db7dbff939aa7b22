"""The Bee's clocks: one for leases, that nobody can set, and one for what others read."""

from __future__ import annotations

import time
from pathlib import Path


def boot_s() -> float:
    """Seconds since the machine booted, sleep included: no NTP step stretches or cuts a lease by it.

    It means the same to every process until the next boot: a restarted agent can read what the last one
    wrote.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Changes with each boot: a `boot_s` of another boot means nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def wall_ms() -> int:
    """Unix milliseconds, as they go into signed usage reports."""
    return time.time_ns() // 1_000_000
