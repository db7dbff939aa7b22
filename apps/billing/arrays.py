"""Columns on their way to PostgreSQL: an array in its text form, for `unnest(%s::text[], ...)`.

The driver's own arrays look at each element in turn, which takes longer than all that is done with it here.
Source: https://www.postgresql.org/docs/18/arrays.html#ARRAYS-INPUT
"""

from __future__ import annotations

from collections.abc import Iterable


def array(values: Iterable[object]) -> str:
    """Numbers, texts, UUIDs, True and False by their `str`, and None as NULL."""
    elements = ["NULL" if value is None else f'"{value}"' for value in values]
    text = ",".join(elements)
    if "\\" in text or text.count('"') != 2 * (len(elements) - elements.count("NULL")):
        text = ",".join("NULL" if value is None else _quoted(str(value)) for value in values)
    return "{" + text + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
