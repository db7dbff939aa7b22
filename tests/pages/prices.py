"""The market's part of the scenery: two days of prices, one cloud's list, and what a GLM is worth."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal

from django.utils import timezone

from apps.market.history.points import ALL, PriceSpan
from apps.market.models import CloudPrice, GlmRate, PricePoint
from apps.nodes.averaging import beginning


def paint_prices() -> None:
    """Of all of a runtime, and of all nodes; a price that swings, and more and more of it let."""
    now = beginning(timezone.now(), PriceSpan.FIVE_MINUTES)
    PricePoint.objects.bulk_create(
        _point(runtime, age, at=now - age * timedelta(minutes=5))
        for runtime in ("process", ALL)
        for age in range(570)
    )
    GlmRate.objects.create(
        currency="USD", price=Decimal("0.25"), as_of=date(2026, 11, 1), source="the scenery"
    )
    CloudPrice.objects.get_or_create(
        provider="Elsewhere",
        product="small",
        region="moon-1",
        defaults={
            "cpu_threads": 2,
            "mem_gib": 4,
            "price_per_hour": Decimal("0.05"),
            "as_of": date(2026, 11, 1),
            "source": "the scenery",
        },
    )


def _point(runtime: str, age: int, *, at: object) -> PricePoint:
    swing = Decimal(f"{math.sin(age / 40) / 500:.6f}")
    let = max(Decimal(16) - age // 40, Decimal(1))
    return PricePoint(
        runtime=runtime,
        region=ALL,
        span_s=PriceSpan.FIVE_MINUTES,
        at=at,
        least_glm=Decimal("0.006") + swing,
        median_glm=Decimal("0.008") + swing,
        mean_glm=Decimal("0.0085") + swing,
        paid_glm=Decimal("0.007"),
        cpu_threads=Decimal(24),
        cpu_threads_free=Decimal(24) - let,
        cpu_threads_let=let,
        nodes=4,
        offers=5,
        agreements=6,
        demands=age // 60 % 3,
    )
