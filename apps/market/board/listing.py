"""Offers that can be taken now, as rows to look at: with what is free of them, the cheapest first."""

from __future__ import annotations

from django.db.models import DecimalField, F, IntegerField, QuerySet
from django.db.models.functions import Least

from apps.market.board.lots import HOUR_S, THREAD_SECOND_GLM, believed
from apps.market.filters.parse import parse
from apps.market.filters.sql import to_q
from apps.market.history.points import ALL
from apps.market.offers import live_offers
from apps.nodes.models import Offer


def listed(*, runtime: str = ALL, region: str = ALL, constraints: str = "") -> QuerySet[Offer]:
    """With `believed_region`, `thread_hour_glm`, and `…_free` of each size. Raises FilterError."""
    offers = (
        live_offers()
        .select_related("node")
        .annotate(
            believed_region=believed("node"),
            thread_hour_glm=THREAD_SECOND_GLM * HOUR_S,
            **{
                f"{size}_free": _free(size, DecimalField())
                for size in ("cpu_threads", "mem_gib", "storage_gib")
            },
            gpus_free=_free("gpus", IntegerField()),
        )
    )
    if constraints:
        offers = offers.filter(to_q(parse(constraints)))
    if runtime != ALL:
        offers = offers.filter(runtime=runtime)
    if region != ALL:
        offers = offers.filter(believed_region=region)
    return offers.order_by("thread_hour_glm", "pk")


def _free(size: str, field: DecimalField | IntegerField) -> Least:
    return Least(F(size), F(f"node__{size}") - F(f"node__{size}_claimed"), output_field=field)
