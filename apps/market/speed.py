"""What may be asked of a node's benchmark, and what its work costs: plain functions, without a database.

Figures are those of the node's newest `NodeBenchmark`, which the Bee measured itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from apps.nodes.models import Node


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


def too_slow(node: Node, asked: Mapping[str, float]) -> str | None:
    """Why the node's benchmark does not meet what is asked; None when it does, or nothing is."""
    if asked and node.benchmark is None:
        return "has not measured itself yet"
    faults = (_fault(node, name, limit) for name, limit in asked.items())
    return next(filter(None, faults), None)


def why_all_too_slow(nodes: Iterable[Node], asked: Mapping[str, float]) -> str | None:
    """One sentence for the person who waits, when no node has what is asked; None when one has."""
    nodes = list(nodes)
    if any(too_slow(node, asked) is None for node in nodes):
        return None
    for name, limit in asked.items():
        told = [figure for node in nodes if (figure := measured(node, name)) is not None]
        if not any(_meets(MARKS[name], figure, limit) for figure in told):
            return _nobody(MARKS[name], told, limit)
    return "no bee meets all of x-hive.benchmarks at once"


def measured(node: Node, name: str) -> float | None:
    """None when the node has not measured it, or could not."""
    return (getattr(node.benchmark, MARKS[name].figure) or None) if node.benchmark else None


def price_per_unit(node: Node, per_hour_glm: Decimal, cpu_threads: Decimal) -> Decimal | None:
    """GLM an hour for one CPU unit, all rented threads busy; None when the node's speed is not known."""
    speed = measured(node, "cpu")
    return per_hour_glm / (Decimal(speed) * cpu_threads) if speed else None


def _fault(node: Node, name: str, limit: float) -> str | None:
    mark, figure = MARKS[name], measured(node, name)
    if figure is None:
        return f"could not measure its {mark.unit}"
    if _meets(mark, figure, limit):
        return None
    return f"measured {figure:.4g} {mark.unit}, {'above' if mark.at_most else 'below'} {limit:.4g}"


def _meets(mark: Mark, figure: float, limit: float) -> bool:
    return figure <= limit if mark.at_most else figure >= limit


def _nobody(mark: Mark, told: list[float], limit: float) -> str:
    asked = f"no bee measured {limit:.4g} {mark.unit}{' or less' if mark.at_most else ''}"
    if not told:
        return f"{asked}: none that could has measured itself yet"
    return f"{asked}: the best has {min(told) if mark.at_most else max(told):.4g}"
