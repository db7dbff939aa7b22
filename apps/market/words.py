"""How the market tells amounts to people."""

from __future__ import annotations

from decimal import Context, Decimal

_SIX_DIGITS = Context(prec=6)


def plain(number: Decimal) -> str:
    """Six digits, without exponent and closing zeros."""
    return f"{_SIX_DIGITS.plus(number).normalize():f}"


def gib(amount: Decimal) -> str:
    return f"{plain(amount)} GiB"
