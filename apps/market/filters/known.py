"""Properties that the Queen knows for herself: these names mean her figures, whatever an offer says.

All others are read from the offer's own signed properties. The table in docs/market.md is made of `KNOWN`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Case, F, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import NullIf

from apps.market.filters.tree import Properties
from apps.market.placing.speed import MARKS
from apps.nodes.models import Offer


@dataclass(frozen=True, slots=True)
class Known:
    """A column, by its path from `Offer`."""

    path: str
    meaning: str
    unknown: Any = None
    """The value that stands for "not known" in this column."""
    unless: str = ""
    """A column that must be empty, else this one counts for nothing."""

    @property
    def column(self) -> Combinable:
        column: Combinable = F(self.path)
        if self.unknown is not None:
            column = NullIf(column, Value(self.unknown))
        return Case(When(**{self.unless: ""}, then=column)) if self.unless else column

    def of(self, offer: Offer) -> Any:
        """None when it is not known."""
        if self.unless and _at(offer, self.unless) != "":
            return None
        value = _at(offer, self.path)
        return None if value == self.unknown else value


def _at(offer: Offer, path: str) -> Any:
    found: Any = offer
    for name in path.split("__"):
        try:
            found = getattr(found, name, None)
        except ObjectDoesNotExist:
            return None
    return found


def _benchmark(name: str) -> Known:
    mark = MARKS[name]
    return Known(f"node__benchmark__{mark.figure}", f"benchmark: {mark.unit}", unknown=0.0)


KNOWN: Final[dict[str, Known]] = {
    "golem.runtime.name": Known("runtime", "the runtime that is offered"),
    "golem.inf.cpu.threads": Known("cpu_threads", "CPU threads for rent"),
    "golem.inf.mem.gib": Known("mem_gib", "GiB of memory for rent"),
    "golem.inf.storage.gib": Known("storage_gib", "GiB of disk for rent"),
    "golem.inf.gpu.count": Known("gpus", "GPUs for rent"),
    "hive.node.id": Known("node_id", "the node's address, in lower case"),
    "hive.node.name": Known("node__name", "the node's name", unknown=""),
    "hive.owner": Known("node__owner__username", "the user name of the node's owner"),
    "hive.region": Known(
        "node__region", "the region, if it is believed", unknown="", unless="node__region_fault"
    ),
    "hive.reputation": Known("node__reputation__score", "the reputation, 0 to 1"),
    "hive.round-trip-ms": Known("node__round_trip_ms", "the round trip that the Queen measured"),
    "hive.price.start": Known("start_glm", "GLM to begin with"),
    "hive.price.cpu-second": Known("cpu_second_glm", "GLM a second of one busy CPU thread"),
    "hive.price.second": Known("second_glm", "GLM a second"),
    "hive.price.egress-gib": Known("egress_gib_glm", "GLM a GiB sent to visitors"),
} | {f"hive.benchmark.{name.replace('_', '-')}": _benchmark(name) for name in MARKS}

OFFERED: Final = frozenset(
    {
        "golem.activity.caps.transfer.protocol",
        "golem.com.payment.protocol.version",
        "golem.com.pricing.model",
        "golem.com.pricing.model.linear.coeffs",
        "golem.com.scheme",
        "golem.com.usage.vector",
        "golem.inf.cpu.architecture",
        "golem.inf.cpu.brand",
        "golem.inf.cpu.capabilities",
        "golem.inf.cpu.cores",
        "golem.inf.cpu.model",
        "golem.inf.cpu.vendor",
        "golem.inf.gpu.gib",
        "golem.inf.gpu.model",
        "golem.inf.gpu.vendor",
        "golem.!exp.gap-35.v1.inf.gpu.model",
        "golem.!exp.gap-35.v1.inf.gpu.d0.model",
        "golem.!exp.gap-35.v1.inf.gpu.d0.quantity",
        "golem.!exp.gap-35.v1.inf.gpu.cuda.enabled",
        "golem.!exp.gap-35.v1.inf.gpu.cuda.cores",
        "golem.!exp.gap-35.v1.inf.gpu.cuda.version",
        "golem.!exp.gap-35.v1.inf.gpu.memory.total.gib",
        "golem.node.debug.subnet",
        "golem.node.id.name",
        "golem.node.net.is-public",
        "golem.runtime.capabilities",
        "golem.runtime.version",
        "golem.srv.caps.multi-activity",
        "hive.com.egress-gib-glm",
        "hive.inf.cpu.bits",
        "hive.inf.gpu",
        "hive.inf.hardware.model",
        "hive.inf.net",
        "hive.inf.os.kernel",
        "hive.inf.os.name",
    }
)
"""Names that offers of Bees and of the Golem Network commonly carry: only for telling slips of the pen."""


def properties_of(offer: Offer) -> Properties:
    """What a filter sees of an offer: its own properties, and over them what the Queen knows."""
    return offer.properties | {name: known.of(offer) for name, known in KNOWN.items()}
