"""The offers that can be taken now, in one query."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Case, F, FloatField, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, Greatest, NullIf
from django.utils import timezone

from apps.market.filters import Inquiry
from apps.market.placing.book import Book, Place
from apps.market.placing.listing import Listing
from apps.market.reputation.weighing import PRIOR_MEAN
from apps.nodes.models import Node, NodeState, Offer, OfferState, Scheduling

SIZES = ("cpu_threads", "mem_gib", "storage_gib", "gpus")
PRICES = ("start_glm", "cpu_second_glm", "second_glm", "egress_gib_glm")
FIGURES = ("cpu_single", "mem_gib_s", "disk_write_mib_s", "disk_read_mib_s", "up_mbit_s", "down_mbit_s")


def live_book(*, strict: bool = False) -> Book:
    """Of nodes that are approved, online and open, each with its benchmark and its reputation.

    `strict`: a filter that takes too long raises FilterError, else it is met by nobody.
    """
    rows = live_offers().values_list(*_columns())
    return Book(map(Listing._make, rows), meeting=Inquiry(strict=strict), where=places)


def live_offers() -> QuerySet[Offer]:
    return Offer.objects.filter(
        state=OfferState.LIVE,
        deadline_at__gt=timezone.now(),
        node__approved_at__isnull=False,
        node__state=NodeState.ONLINE,
        node__scheduling=Scheduling.OPEN,
    ).order_by()


def places(node_ids: Collection[str]) -> Mapping[str, Place]:
    """Where these nodes are, whether or not they offer anything now."""
    rows = Node.objects.filter(pk__in=node_ids).values_list(
        "id", "owner_id", believed_region(""), Coalesce("reputation__is_newcomer", True)
    )
    return {node_id: Place(*rest) for node_id, *rest in rows}


def _columns() -> list[Any]:
    """In the order of `Listing`."""
    return [
        "id",
        "node_id",
        "node__name",
        "node__owner_id",
        believed_region("node__"),
        "runtime",
        *SIZES,
        *(F(f"node__{size}") - F(f"node__{size}_claimed") for size in SIZES),
        *PRICES,
        "node__last_seen_at",
        *(_figure(name) for name in FIGURES),
        # Greatest of a figure and NULL is the figure.
        Greatest(_figure("round_trip_ms"), F("node__round_trip_ms")),
        Coalesce("node__reputation__score", PRIOR_MEAN),
        Coalesce("node__reputation__kept", 0),
        Coalesce("node__reputation__lost", 0),
        Coalesce("node__reputation__is_newcomer", True),
    ]


def believed_region(node: str) -> Case:
    """Of the node at this path, "" or "node__"; "" when it declares none, or one that is not believed."""
    return Case(When(Q(**{f"{node}region_fault": ""}), then=F(f"{node}region")), default=Value(""))


def _figure(name: str) -> NullIf:
    """Nought is unknown."""
    return NullIf(F(f"node__benchmark__{name}"), Value(0.0, output_field=FloatField()))
