"""What so many replicas of one size would cost here and at public clouds: estimates, never bills."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from apps.market.models import CloudPrice, GlmRate
from apps.market.needs import Need
from apps.market.placing.offers import live_book
from apps.market.placing.quotes import Quote, quotes
from apps.money import ZERO, round_glm

HOURS_A_MONTH = 730
MOST_REPLICAS = 1000


@dataclass(frozen=True, slots=True)
class Here:
    """In the Hive, if they were placed now; what finds no place costs nothing, and `reason` says why."""

    replicas: int
    placed: int
    per_hour_glm: Decimal
    reason: str

    @property
    def per_month_glm(self) -> Decimal:
        return self.per_hour_glm * HOURS_A_MONTH


@dataclass(frozen=True, slots=True)
class There:
    """At a provider, by its list: as many of its cheapest machine that is large enough for one replica."""

    price: CloudPrice
    replicas: int
    per_hour_glm: Decimal | None
    """By the operator's rate; None while there is none for this currency."""

    @property
    def per_hour(self) -> Decimal:
        return self.price.price_per_hour * self.replicas

    @property
    def per_month(self) -> Decimal:
        return self.per_hour * HOURS_A_MONTH


@dataclass(frozen=True, slots=True)
class Worth:
    """What the price here comes to in a currency, by the rate of a day."""

    rate: GlmRate
    per_hour: Decimal

    @property
    def per_month(self) -> Decimal:
        return self.per_hour * HOURS_A_MONTH


@dataclass(frozen=True, slots=True)
class Comparison:
    here: Here
    worth: list[Worth]
    there: list[There]
    """The cheapest first, as far as they can be compared; then those without a rate."""


def compare(need: Need, *, replicas: int) -> Comparison:
    """Nothing is reserved. Three queries and those of the quotes."""
    here, rates = here_of(quotes(live_book(), need, count=replicas)), newest_rates()
    worth = [Worth(rate, here.per_hour_glm * rate.price) for rate in rates.values()]
    return Comparison(here, worth, elsewhere(CloudPrice.objects.all(), rates, need, replicas=replicas))


def newest_rates() -> dict[str, GlmRate]:
    """By currency."""
    newest = GlmRate.objects.order_by("currency", "-as_of").distinct("currency")
    return {rate.currency: rate for rate in newest}


def here_of(found: list[Quote]) -> Here:
    prices = [quote.price_per_hour_glm for quote in found if quote.price_per_hour_glm is not None]
    reason = next((quote.reason for quote in found if quote.price_per_hour_glm is None), "")
    return Here(len(found), len(prices), sum(prices, ZERO), reason)


def elsewhere(
    prices: Iterable[CloudPrice], rates: Mapping[str, GlmRate], need: Need, *, replicas: int
) -> list[There]:
    """One per provider and currency: its cheapest product in which one replica fits."""
    cheapest: dict[tuple[str, str], CloudPrice] = {}
    for price in prices:
        fits = price.cpu_threads >= need.cpu_threads and price.mem_gib >= need.mem_gib
        best = cheapest.get((price.provider, price.currency))
        if fits and (best is None or price.price_per_hour < best.price_per_hour):
            cheapest[price.provider, price.currency] = price
    found = [There(price, replicas, _in_glm(price, rates, replicas)) for price in cheapest.values()]
    return sorted(found, key=_order)


def _in_glm(price: CloudPrice, rates: Mapping[str, GlmRate], replicas: int) -> Decimal | None:
    rate = rates.get(price.currency)
    return round_glm(price.price_per_hour * replicas / rate.price) if rate else None


def _order(there: There) -> tuple[bool, Decimal, str, Decimal]:
    comparable = there.per_hour_glm is not None
    return not comparable, there.per_hour_glm or ZERO, there.price.currency, there.per_hour
