"""GLM in the database: the one field type, a price's columns, and the way to and from the chain's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db import models
from msgspec.structs import asdict

from agent.protocol import Price, percent_of, round_glm

__all__ = ["GlmField", "Priced", "from_wei", "percent_of", "plain", "price_columns", "round_glm", "to_wei"]

ZERO = Decimal(0)


class GlmField(models.DecimalField):
    """An amount of GLM: 38 digits, 18 of them after the point."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"], kwargs["decimal_places"] = 38, 18
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, path, args, kwargs


class Priced(models.Model):
    """Whatever has a price of the linear model."""

    start_glm = GlmField(default=ZERO)
    cpu_second_glm = GlmField(default=ZERO)
    second_glm = GlmField(default=ZERO)
    egress_gib_glm = GlmField(default=ZERO)

    class Meta:
        abstract = True

    @property
    def price(self) -> Price:
        return Price(
            start_glm=self.start_glm,
            cpu_second_glm=self.cpu_second_glm,
            second_glm=self.second_glm,
            egress_gib_glm=self.egress_gib_glm,
        )


def price_columns(price: Price) -> dict[str, Decimal]:
    """What `Priced` keeps of it."""
    return asdict(price)


def to_wei(amount_glm: Decimal) -> int:
    return int(round_glm(amount_glm).scaleb(18))


def from_wei(amount_wei: int) -> Decimal:
    return round_glm(Decimal(amount_wei).scaleb(-18))


def plain(amount: Decimal) -> str:
    """As people write it: no exponent, no trailing zeros; every digit that counts."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
