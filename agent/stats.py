"""What goes with each heartbeat: how busy the machine is. No process is started and nothing waits for it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import psutil
from msgspec.structs import replace

from agent import clock
from agent.protocol import Stats

INTERFACES = Path("/sys/class/net")
LEAST_S = 1.0
"""An average over less time than this is not taken."""


class Traffic(NamedTuple):
    """Bytes since boot, and when they were counted."""

    at_s: float
    sent_bytes: int
    received_bytes: int


class Gauge:
    """CPU and network are told as averages since the last reading; the first knows nothing of them yet.

    A heartbeat that comes early, since something changed, repeats the figures: an average over a few
    milliseconds says nothing.
    """

    def __init__(self, folder: Path) -> None:
        """Disk is the file system of `folder`."""
        self._folder = folder
        self._traffic = traffic()
        psutil.cpu_percent(interval=None)
        self._newest: Stats | None = None

    def read(self, *, running: int) -> Stats:
        if self._newest is None or clock.boot_s() - self._traffic.at_s >= LEAST_S:
            self._newest = self._measured()
        return replace(self._newest, running=running)

    def _measured(self) -> Stats:
        before, self._traffic = self._traffic, traffic()
        sent_bytes_s, received_bytes_s = rates(before, self._traffic)
        return Stats(
            cpu_percent=min(100.0, psutil.cpu_percent(interval=None)),
            mem_used_bytes=psutil.virtual_memory().used,
            disk_used_bytes=shutil.disk_usage(self._folder).used,
            sent_bytes_s=sent_bytes_s,
            received_bytes_s=received_bytes_s,
            temperature_c=temperature_c(),
        )


def rates(before: Traffic, now: Traffic) -> tuple[float, float]:
    """Bytes a second sent and received; counters that went back (an interface is gone) count as nothing."""
    elapsed_s = now.at_s - before.at_s
    if elapsed_s <= 0:
        return 0.0, 0.0
    return (
        max(0, now.sent_bytes - before.sent_bytes) / elapsed_s,
        max(0, now.received_bytes - before.received_bytes) / elapsed_s,
    )


def traffic() -> Traffic:
    counters = psutil.net_io_counters(pernic=True, nowrap=False)
    outer = [counters[name] for name in outer_interfaces(counters)]
    return Traffic(
        at_s=clock.boot_s(),
        sent_bytes=sum(each.bytes_sent for each in outer),
        received_bytes=sum(each.bytes_recv for each in outer),
    )


def outer_interfaces(names: Mapping[str, object] | list[str], folder: Path = INTERFACES) -> list[str]:
    """Those with hardware behind them: what passes a bridge or a tunnel passes one of them, too.

    Inside a container none has; there all but the loopback are.
    """
    real = [name for name in names if (folder / name / "device").exists()]
    return real or [name for name in names if name != "lo"]


def temperature_c() -> float | None:
    """Of the hottest sensor; None where the machine has none, as virtual ones do."""
    sensors = psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}
    told = [each.current for group in sensors.values() for each in group if -273 <= each.current <= 1000]
    return max(told, default=None)
