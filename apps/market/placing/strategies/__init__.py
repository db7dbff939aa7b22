"""What makes one offer better than another: one small class for each name that `x-hive.strategy` knows."""

from __future__ import annotations

from apps.market.models import Strategy as Name
from apps.market.needs import Need
from apps.market.placing.strategies.base import Strategy
from apps.market.placing.strategies.best_value import BestValue
from apps.market.placing.strategies.cheapest import Cheapest
from apps.market.placing.strategies.nearest import Nearest
from apps.market.placing.strategies.spread import Spread

__all__ = ["Strategy", "strategy_of"]

STRATEGIES: dict[str, Strategy] = {
    Name.CHEAPEST: Cheapest(),
    Name.BEST_VALUE: BestValue(),
    Name.SPREAD: Spread(),
    Name.NEAREST: Nearest(),
}


def strategy_of(need: Need) -> Strategy:
    return STRATEGIES[need.strategy]
