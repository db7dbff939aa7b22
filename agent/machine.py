"""What this machine is, in Golem's property names.

Source of the names: https://github.com/golemfactory/golem-architecture/tree/master/specs/standards
"""

from __future__ import annotations

import os
import platform
import shutil
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import psutil

GIB = 1 << 30
_TENTH = Decimal("0.1")


def cpu_threads() -> Decimal:
    """Threads this process may use: a container or a systemd slice may grant fewer than there are."""
    return Decimal(len(os.sched_getaffinity(0)))


def all_threads() -> Decimal:
    """Of the whole machine, as its power is measured."""
    return Decimal(os.cpu_count() or 1)


def mem_gib() -> Decimal:
    return _gib(psutil.virtual_memory().total)


def storage_gib(folder: Path) -> Decimal:
    """Free space where replicas would write."""
    return _gib(shutil.disk_usage(folder).free)


def rentable_mem_gib() -> Decimal:
    """Three quarters of what there is: the owner's machine must stay usable."""
    return (mem_gib() * 3 / 4).quantize(_TENTH, rounding=ROUND_FLOOR)


def properties(name: str, folder: Path, region: str = "") -> dict[str, Any]:
    """What every offer repeats; `hardware.properties` has the rest."""
    return ({"hive.region": region} if region else {}) | {
        "golem.node.id.name": name,
        "golem.inf.cpu.architecture": platform.machine(),
        "golem.inf.cpu.cores": psutil.cpu_count(logical=False) or int(cpu_threads()),
        "golem.inf.cpu.threads": int(cpu_threads()),
        "golem.inf.mem.gib": float(mem_gib()),
        "golem.inf.storage.gib": float(storage_gib(folder)),
    }


def _gib(size_bytes: int) -> Decimal:
    return (Decimal(size_bytes) / GIB).quantize(_TENTH, rounding=ROUND_FLOOR)
