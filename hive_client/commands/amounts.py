"""Amounts of GLM as arguments."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import click


class Amount(click.ParamType):
    """GLM, more than none."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            amount = Decimal(value)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount <= 0:
            self.fail(f"expected an amount of GLM above 0, got {value!r}", param, ctx)
        return amount
