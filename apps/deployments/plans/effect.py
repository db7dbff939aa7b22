"""What applying a plan does to its team's budget: what it takes at once, and how long the rest lasts.

For the next so many hours a budget pays what runs already and what the plan adds; replicas that the plan
leaves alone are in both. Prices are those of offers with every thread busy, so the true end comes later.

Plain values, without a database: `reckoning` makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from apps.billing.budgets.runway import Runway, sooner
from apps.money import ZERO, round_glm

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Amounts in GLM, rates in GLM per hour, as of `at`."""

    available_glm: Decimal = ZERO
    held_glm: Decimal = ZERO
    """Reserved for leases in force: it pays the next minutes of what runs."""
    first_leases_glm: Decimal = ZERO
    """What must be available for all that would start; start prices included."""
    start_glm: Decimal = ZERO
    """Of that, start prices: paid once, however short it runs."""
    rate_before_glm: Decimal = ZERO
    """What the budget's replicas cost now."""
    rate_after_glm: Decimal = ZERO
    """What they cost when the plan is applied."""
    rate_own_glm: Decimal = ZERO
    """Of that, what the deployment of the plan costs."""
    cap_glm: Decimal | None = None
    """What that deployment may take once the plan is applied; None: as much as the budget has."""
    cap_per: str = ""
    cap_left_glm: Decimal | None = None
    """Of it, neither spent nor held yet."""
    cap_held_glm: Decimal = ZERO
    """Held for what runs of it already."""
    at_end: str = ""
    """What becomes of it when its money ends: see `apps.billing.budgets.at_end`."""
    at: datetime = EPOCH

    @property
    def room_glm(self) -> Decimal:
        """What the plan may take at once: the least of what the budget and the cap have left."""
        left = self.available_glm if self.cap_left_glm is None else self.cap_left_glm
        return min(self.available_glm, left)

    @property
    def is_affordable(self) -> bool:
        return self.first_leases_glm <= self.room_glm

    @property
    def funds_glm(self) -> Decimal:
        """What is there for the hours to come: start prices are gone at once."""
        return max(self.available_glm + self.held_glm - self.start_glm, ZERO)

    @property
    def runway(self) -> Runway:
        """Once the plan is applied: of the budget, or of the cap where that ends sooner."""
        of_budget, of_cap = self._of_budget, self._of_cap
        return of_budget if of_cap is None else sooner(of_budget, of_cap)

    @property
    def cap_ends_first(self) -> bool:
        """Whether `runway` is that of the cap."""
        return self.runway != self._of_budget

    @property
    def _of_budget(self) -> Runway:
        return Runway(money_glm=self.funds_glm, per_hour_glm=self.rate_after_glm, at=self.at)

    @property
    def _of_cap(self) -> Runway | None:
        if self.cap_left_glm is None:
            return None
        left_glm = max(self.cap_left_glm + self.cap_held_glm - self.start_glm, ZERO)
        return Runway(money_glm=left_glm, per_hour_glm=self.rate_own_glm, at=self.at)

    @property
    def runway_h(self) -> Decimal | None:
        """For how many hours that is; None when nothing is spent."""
        runway = self.runway
        return runway.money_glm / runway.per_hour_glm if runway.per_hour_glm else None

    @property
    def runway_s(self) -> Decimal | None:
        return None if self.runway_h is None else self.runway_h * 3600

    @property
    def lasts_until(self) -> datetime | None:
        """None when nothing is spent, and when it is more than a year."""
        return self.runway.until

    def as_json(self) -> dict[str, str]:
        """What is not said is left out."""
        return {name: _text(value) for name, value in asdict(self).items() if value not in (None, "")}

    @classmethod
    def of_json(cls, said: Mapping[str, str]) -> Self:
        """As it was when the plan was drawn up."""
        values: dict[str, Any] = {name: READ.get(name, Decimal)(text) for name, text in said.items()}
        return cls(**values)


READ: Mapping[str, Callable[[str], Any]] = {"at": datetime.fromisoformat, "cap_per": str, "at_end": str}


def _text(value: Decimal | datetime | str) -> str:
    if isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, datetime) else f"{round_glm(value):f}"
