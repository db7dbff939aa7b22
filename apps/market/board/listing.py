"""Offers that can be taken now, as rows to look at: with what is free of them, the cheapest first."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.market.board.lots import THREAD_HOUR_GLM, free
from apps.market.filters.parse import parse
from apps.market.filters.sql import to_q
from apps.market.history.points import ALL
from apps.market.placing.offers import SIZES, believed_region, live_offers
from apps.nodes.models import Offer


def listed(*, runtime: str = ALL, region: str = ALL, constraints: str = "") -> QuerySet[Offer]:
    """With `believed_region`, `thread_hour_glm`, and `…_free` of each size. Raises FilterError."""
    offers = (
        live_offers()
        .select_related("node")
        .annotate(
            believed_region=believed_region("node__"),
            thread_hour_glm=THREAD_HOUR_GLM,
            **{f"{size}_free": free(size) for size in SIZES},
        )
    )
    if constraints:
        offers = offers.filter(to_q(parse(constraints)))
    if runtime != ALL:
        offers = offers.filter(runtime=runtime)
    if region != ALL:
        offers = offers.filter(believed_region=region)
    return offers.order_by("thread_hour_glm", "pk")
