"""What the admin pages of money share."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from unfold.decorators import display

from apps.money import plain


def glm_column(name: str, amount_of: Callable[[Any], Decimal | None]) -> Callable[[Any, Any], str]:
    """A column that is reckoned for each row: `glm_column("Held", lambda budget: budget.held_glm)`."""

    @display(description=f"{name}, GLM")
    def column(self: Any, row: Any) -> str:
        amount_glm = amount_of(row)
        return "–" if amount_glm is None else plain(amount_glm)

    return column
