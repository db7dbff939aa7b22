"""One measured figure beside its peer or its limit, measured in the same run: only ratios travel."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from os import cpu_count


def _machine() -> str:
    return (
        f"{cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`ratio` is value / peer value; `at_least` tells on which side of `target` the ratio should lie."""

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float
    target: float
    at_least: bool = True
    note: str = ""
    machine: str = field(default_factory=_machine)
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())

    @property
    def ratio(self) -> float:
        return self.value / self.peer_value

    @property
    def met(self) -> bool:
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"ratio": round(self.ratio, 4), "met": self.met})
