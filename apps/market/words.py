"""How the market tells amounts to people."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal


def six_digits(number: Decimal) -> str:
    """About, without exponent and closing zeros; `apps.money.plain` tells all digits."""
    return _rounded(number, digits=6, rounding=ROUND_HALF_EVEN)


def enough(price_glm: Decimal) -> str:
    """Six digits, none of them too low: who offers as much as is told can have it."""
    return _rounded(price_glm, digits=6, rounding=ROUND_CEILING)


def figure(measured: float, *, at_most: bool) -> str:
    """Four digits of a benchmark, such that who asks for what is told gets it."""
    return _rounded(Decimal(measured), digits=4, rounding=ROUND_CEILING if at_most else ROUND_FLOOR)


def gib(amount: Decimal) -> str:
    return f"{six_digits(amount)} GiB"


def _rounded(number: Decimal, *, digits: int, rounding: str) -> str:
    return f"{Context(prec=digits, rounding=rounding).plus(number).normalize():f}"
