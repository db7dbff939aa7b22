"""What one replica asks of the market, without a database: the common word of plans and demands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from apps.market.models import Spread, Strategy
from apps.nodes.sizes import Size


@dataclass(frozen=True, slots=True)
class Affinity:
    """Beside which other group: on its nodes, at its owners', in its regions."""

    group: str
    by: str = Spread.NODE
    required: bool = False
    """Rather wait than be elsewhere; otherwise elsewhere when nobody there serves."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one replica asks for."""

    runtimes: Sequence[str]
    """Acceptable ones, best first."""
    cpu_threads: Decimal
    mem_gib: Decimal
    storage_gib: Decimal = Decimal(0)
    gpus: int = 0
    max_price_per_hour_glm: Decimal | None = None
    max_start_glm: Decimal | None = None
    """To begin with, once; None: what an hour may cost, see `start_limit_glm`."""
    max_egress_gib_glm: Decimal | None = None
    """A GiB sent to visitors; None: `EGRESS_LIMIT_GLM`."""
    constraints: str = ""
    """A filter over an offer's properties, as `filters` reads it."""
    regions: Sequence[str] = ()
    """Acceptable ones, as patterns (`eu-*`); none: any, even an unknown one."""
    benchmarks: Mapping[str, float] = field(default_factory=dict)
    """What a node must have measured of itself, by the names of `speed.MARKS`."""
    strategy: str = Strategy.CHEAPEST
    group: str = ""
    """Others of the same group are to be spread from."""
    spread: str = Spread.NODE
    spread_required: bool = False
    """Rather wait than share; otherwise shared when nobody else serves."""
    affinity: Affinity | None = None
    allowed_nodes: Collection[str] | None = None
    """They alone may serve; None: all may."""
    avoid_nodes: Collection[str] = field(default_factory=frozenset)
    """Taken only when nobody else serves."""
    beside_nodes: Collection[str] = field(default_factory=frozenset)
    """Where others of the same group are, once for each: taken only when nobody else serves, but before those
    to avoid."""
    near_nodes: Collection[str] = field(default_factory=frozenset)
    """Where those are whom `affinity` names."""

    @property
    def size(self) -> Size:
        return Size(
            cpu_threads=self.cpu_threads,
            mem_gib=self.mem_gib,
            storage_gib=self.storage_gib,
            gpus=self.gpus,
        )


@dataclass(frozen=True, slots=True)
class Want:
    """So many replicas of the same need."""

    need: Need
    count: int = 1
