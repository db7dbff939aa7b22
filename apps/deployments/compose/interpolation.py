"""Variables in Compose: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, `${NAME:+other}`, `$$`.

Source: https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)"
    r"|(?P<bare>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<how>:?[-?+])(?P<word>(?:[^{}]|\$\{[^{}]*\})*))?\}"
    r"|(?P<bad>.?))"
)


VERSION_IN_A_FILTER = ", or write $$v if the dollar belongs to a filter"
"""`name$v` compares versions in Golem's filters, which Compose takes for a variable of that name."""


class InterpolationError(ValueError):
    """A variable without a value, or a dollar sign that starts none."""


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Fill in the variables of one value.

    Raises:
        InterpolationError: with what to do.
    """
    return _VARIABLE.sub(lambda match: _replacement(match, variables), text) if "$" in text else text


def _replacement(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match["escaped"]:
        return "$"
    if match["bad"] is not None:
        raise InterpolationError(f'"{match[0]}" starts no variable; write $$ for a dollar sign')
    name, how, word = match["bare"] or match["name"], match["how"] or "", match["word"] or ""
    value = variables.get(name)
    given = value is not None and (value != "" or not how.startswith(":"))
    if how.endswith("+"):
        return interpolate(word, variables) if given else ""
    if given:
        return value or ""
    if how.endswith("-"):
        return interpolate(word, variables)
    if how.endswith("?") and word:
        raise InterpolationError(f"the variable {name} has no value: {word}")
    told = f"the variable {name} has no value; give one with --env {name}=value or ${{{name}:-value}}"
    raise InterpolationError(told + (VERSION_IN_A_FILTER if match["bare"] == "v" else ""))
