"""What `x-hive` says of money: how much the whole file may take, and who goes first when it ends."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import PlainValidator, model_validator

from apps.billing.budgets.at_end import AtEnd
from apps.billing.models import CapPeriod
from apps.deployments.compose import values
from apps.deployments.compose.section import Section

DEFAULT_PRIORITY, MAX_PRIORITY = 100, 1000


def level(value: Any) -> int:
    """The higher, the longer it is kept."""
    return values.whole_number(value, least=0, most=MAX_PRIORITY)


def _glm(value: Any) -> Decimal:
    """Below 10^10, as the ledger keeps amounts."""
    what = 'an amount of GLM such as "50"'
    return values.price_glm(value, what=what, noun="an amount of GLM", below_power=10)


def _per(value: Any) -> str:
    return _one_of(CapPeriod.values, value)


def _at_end(value: Any) -> str:
    return _one_of(AtEnd.values, value)


def _one_of(words: list[str], value: Any) -> str:
    if value not in words:
        raise values.expected(f"one of {', '.join(words)}", value)
    return str(value)


class BudgetWish(Section):
    """`50`, or {glm: 50, per: month, at_end: stop}. What is not said stays as it is."""

    glm: Annotated[Decimal | None, PlainValidator(_glm)] = None
    per: Annotated[str | None, PlainValidator(_per)] = None
    at_end: Annotated[str, PlainValidator(_at_end)] = ""

    @model_validator(mode="before")
    @classmethod
    def _from_amount(cls, value: Any) -> Any:
        return {"glm": value} if isinstance(value, int | float | str | Decimal) else value

    @model_validator(mode="after")
    def _says_how_much(self) -> BudgetWish:
        if self.glm is None and "per" in self.model_fields_set:
            raise ValueError("says per, and no amount: add glm, for example {glm: 50, per: month}")
        return self
