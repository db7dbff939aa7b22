"""GPUs that can be given to replicas: NVIDIA's, as their driver tells them in the kernel's files.

Other makers' have no id by which Docker gives one of several: they are described (`hardware.gpus`), not
rented. Source: the README of NVIDIA's Linux driver, chapter "Using the /proc File System Interface".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.hardware import ROOT, folders, lines

_DRIVER = "proc/driver/nvidia/gpus"
_GAP_35 = "golem.!exp.gap-35.v1.inf.gpu"
"""Source: golem-architecture, GAP-35; `d0.model`, `d0.quantity` as Golem's own runtime for GPUs adds them."""


@dataclass(frozen=True, slots=True)
class Gpu:
    id: str
    """Its UUID, as nvidia-smi and Docker know it: `GPU-8f3b...`."""
    model: str


def installed(root: Path = ROOT) -> list[Gpu]:
    """In the order of their slots; empty without a driver."""
    told = (dict(lines(folder / "information")) for folder in folders(root / _DRIVER))
    return [Gpu(each["GPU UUID"], each.get("Model", "")) for each in told if _has_id(each)]


def properties(gpus: Sequence[Gpu]) -> dict[str, Any]:
    """Of those for rent, in Golem's names: the first one's model, and how many there are of each."""
    if not gpus:
        return {}
    models = Counter(each.model for each in gpus)
    named: dict[str, Any] = {f"{_GAP_35}.model": gpus[0].model}
    for number, (model, quantity) in enumerate(models.items()):
        named |= {f"{_GAP_35}.d{number}.model": model, f"{_GAP_35}.d{number}.quantity": quantity}
    return named


def _has_id(told: dict[str, str]) -> bool:
    """While the driver starts up the id has question marks for digits."""
    return told.get("GPU UUID", "").startswith("GPU-") and "?" not in told["GPU UUID"]
