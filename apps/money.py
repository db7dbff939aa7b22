"""GLM in the database: the one field type, and the way to and from the chain's whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db import models

from agent.protocol import round_glm

__all__ = ["GlmField", "from_wei", "plain", "round_glm", "to_wei"]

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


def to_wei(amount_glm: Decimal) -> int:
    return int(round_glm(amount_glm).scaleb(18))


def from_wei(amount_wei: int) -> Decimal:
    return round_glm(Decimal(amount_wei).scaleb(-18))


def plain(amount: Decimal) -> str:
    """As people write it: no exponent, no trailing zeros; every digit that counts."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
