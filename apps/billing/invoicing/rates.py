"""Which taxes can be set, and which can stand on a paper: as the verifier reads them. All pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from unicodedata import normalize

Rate = tuple[str, Decimal]
"""Name and percent."""

AMOUNT = re.compile(r"(0|[1-9][0-9]{0,19})(\.[0-9]{0,17}[1-9])?")
"""As `hive verify-invoice` reads percents and GLM: hive_client/proving/shapes.py has the same."""
PERCENT = re.compile(r"(0|[1-9][0-9]{0,2})(\.[0-9]{1,4})?")
MOST_PERCENT = 100
"""Of one tax, and of all of them together."""
MOST_CHARACTERS = 40
_SHOWN = 60


def read_rates(told: Iterable[tuple[Any, Any]]) -> list[Rate]:
    """The taxes somebody sets, a name and a percent each. Raises ValueError, which names the wrong one."""
    rates = [(_name(name), _percent(name, percent)) for name, percent in told]
    known: set[str] = set()
    for name, _ in rates:
        if (alike := normalize("NFKC", name).casefold()) in known:
            raise ValueError(f'"{name}" stands there twice: expected each tax once')
        known.add(alike)
    if (total := sum(percent for _, percent in rates)) > MOST_PERCENT:
        raise ValueError(f"the taxes add up to {total} %: expected at most {MOST_PERCENT} %")
    return rates


def must_fit(taxes: Iterable[Mapping[str, Any]]) -> None:
    """Raises ValueError for a tax that the verifier would refuse on a paper, whatever was set once."""
    for tax in taxes:
        for name in ("percent", "base_glm", "amount_glm"):
            if not AMOUNT.fullmatch(str(tax[name])):
                raise ValueError(
                    f"{_shown(tax['name'])}: {name} is {_shown(tax[name])}, which nobody could verify: "
                    "expected at most 18 decimals, and no sign; taxes are set in the team's billing details, "
                    "or by HIVE_TAXES"
                )


def _name(name: Any) -> str:
    is_name = isinstance(name, str) and 0 < len(name) <= MOST_CHARACTERS
    if not is_name or not name.isprintable() or name != name.strip():
        raise ValueError(
            f"{_shown(name)}: expected the name of a tax, 1 to {MOST_CHARACTERS} printable characters"
        )
    return str(name)


def _percent(name: Any, percent: Any) -> Decimal:
    text = str(percent)
    if not PERCENT.fullmatch(text) or Decimal(text) > MOST_PERCENT:
        raise ValueError(
            f"{_shown(name)}: expected a percentage from 0 to {MOST_PERCENT} with at most 4 decimals, "
            f'such as "19" or "7.5", got {_shown(percent)}'
        )
    return Decimal(text)


def _shown(told: Any) -> str:
    """In one short line, whatever stands in it."""
    text = ascii(told) if not str(told).isprintable() else f'"{told}"'
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
