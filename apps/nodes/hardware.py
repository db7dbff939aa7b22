"""What a node's machine is made of, from the properties its Bee told: plain functions over a node.

Bees say what they like in their properties: what has the wrong shape is passed over, never passed on.
"""

from __future__ import annotations

import math
from typing import Any

from apps.nodes.measured import NodeBenchmark
from apps.nodes.models import Node

GPU_VENDORS = ("amd", "nvidia", "intel", "other")


def storage(node: Node) -> dict[str, Any]:
    return {"gib": _number(node, "golem.inf.storage.gib")}


def cpu(node: Node) -> dict[str, Any]:
    return {
        "architecture": _text(node, "golem.inf.cpu.architecture"),
        "bit": [bits for bits in _list(node, "hive.inf.cpu.bits") if bits in (32, 64)],
        "cores": _whole(node, "golem.inf.cpu.cores"),
        "threads": _whole(node, "golem.inf.cpu.threads"),
    }


def mem(node: Node) -> dict[str, Any]:
    return {"gib": float(node.mem_gib), "total": _number(node, "golem.inf.mem.gib")}


def os(node: Node) -> dict[str, Any]:
    return {"name": _text(node, "hive.inf.os.name")}


def gpu(node: Node) -> dict[str, Any]:
    cards = [_card(told) for told in _list(node, "hive.inf.gpu") if isinstance(told, dict)]
    counts = {vendor: sum(card["vendor"] == vendor for card in cards) for vendor in GPU_VENDORS}
    return counts | {"cards": cards}


def net(node: Node) -> dict[str, Any]:
    interfaces = [_interface(told) for told in _list(node, "hive.inf.net") if isinstance(told, dict)]
    way = ("up_mbit_s", "down_mbit_s", "round_trip_ms")
    return {"interfaces": interfaces} | {name: _measured(node.benchmark, name) for name in way}


def benchmark(node: Node) -> dict[str, Any] | None:
    """The newest, with its date; None before the first. What could not be measured is null."""
    if node.benchmark is None:
        return None
    figures = {name: _measured(node.benchmark, name) for name in NodeBenchmark.FIGURES}
    return {"at": node.benchmark.at} | figures


def hardware(node: Node) -> dict[str, Any]:
    return {
        "model": _text(node, "hive.inf.hardware.model"),
        "cpu": cpu(node) | {"brand": _text(node, "golem.inf.cpu.brand")},
        "mem": mem(node),
        "storage": storage(node),
        "os": os(node),
        "gpu": gpu(node),
        "net": net(node),
        "benchmark": benchmark(node),
    }


def _card(told: dict[str, Any]) -> dict[str, Any]:
    vendor = told.get("vendor")
    return {
        "vendor": vendor if vendor in GPU_VENDORS else "other",
        "pci": _as_text(told.get("pci")),
        "model": _as_text(told.get("model")),
        "mem_gib": _as_number(told.get("mem_gib")),
    }


def _interface(told: dict[str, Any]) -> dict[str, Any]:
    return {"name": _as_text(told.get("name")), "mbit_s": _as_number(told.get("mbit_s"))}


def _measured(benchmark: NodeBenchmark | None, figure: str) -> float | None:
    return (getattr(benchmark, figure) or None) if benchmark else None


def _text(node: Node, name: str) -> str | None:
    return _as_text(node.properties.get(name))


def _number(node: Node, name: str) -> float | None:
    return _as_number(node.properties.get(name))


def _whole(node: Node, name: str) -> int | None:
    number = _number(node, name)
    return None if number is None else int(number)


def _list(node: Node, name: str) -> list[Any]:
    told = node.properties.get(name)
    return told[:64] if isinstance(told, list) else []


def _as_text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) and value else None


def _as_number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value < 1e15 and math.isfinite(value) else None
