"""How things are written: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Context, Decimal
from typing import Any, Literal, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hive_client.reading import plain

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

JSON, TABLE = "json", "table"
_SIX_DIGITS = Context(prec=6)
_SIX_DIGITS_DOWN = Context(prec=6, rounding=ROUND_DOWN)
_GAP = 2
_LAST_COLUMN = 20
"""Columns that it is given at least, where it is folded."""
_UNBROKEN = 1000
"""Columns when the output is no terminal: a line is a row, whatever its length."""

STYLES = {
    "healthy": "green",
    "online": "green",
    "open": "green",
    "failed": "red",
    "banned": "red",
    "offline": "red",
    "unhealthy": "yellow",
    "unknown": "yellow",
    "degraded": "yellow",
}


def output_option(command: F) -> F:
    """`-o table|json`, as the parameter `output`."""
    option = click.option(
        "-o",
        "--output",
        type=click.Choice([TABLE, JSON]),
        default=TABLE,
        show_default=True,
        help="How to write it.",
    )
    return option(command)


def console(*, stderr: bool = False) -> Console:
    """Colours, and the terminal's width, only where there is a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, highlight=False, width=None if stream.isatty() else _UNBROKEN)


def print_json(value: Any) -> None:
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str, err: bool = False
) -> None:
    """Columns named in lower case are right-aligned figures; the last one alone is folded.

    `err` writes it to standard error.
    """
    if not rows:
        click.echo(empty, err=True)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for number, name in enumerate(columns, start=1):
        justify: Literal["left", "right"] = "right" if name.islower() else "left"
        table.add_column(name.upper(), justify=justify, no_wrap=number < len(columns), overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(cell), STYLES.get(cell, "")) for cell in row))
    out = console(stderr=err)
    out.width = max(out.width, _narrowest(columns, rows))
    with out.capture() as captured:
        out.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()), err=err)


def print_rows(
    found: Sequence[T], output: str, *, columns: Sequence[str], row: Callable[[T], Sequence[str]], empty: str
) -> None:
    """All that is known of each as JSON, or a table with a row for each."""
    if output == JSON:
        print_json(found)
    else:
        print_table(columns, [row(each) for each in found], empty=empty)


def _narrowest(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """A narrow terminal wraps lines itself: addresses and ids stay in one piece, to be copied."""
    cells = list(zip(columns, *rows, strict=True))
    return sum(max(map(len, column)) + _GAP for column in cells[:-1]) + _LAST_COLUMN


def clean(text: str) -> str:
    """Names and reasons come from other people's machines: no control character reaches the terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)


def glm(amount: Decimal | None, *, context: Context = _SIX_DIGITS) -> str:
    """At most six digits that matter, no exponent: 0.00123457. The JSON output has every digit."""
    if amount is None:
        return "-"
    text = f"{context.plus(amount):f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def every_digit(amount: Decimal) -> str:
    """Where figures are to add up: no exponent, no zeros at the end."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def glm_down(amount: Decimal) -> str:
    """What may be spent: never shown as more than it is."""
    return glm(amount, context=_SIX_DIGITS_DOWN)


def when(instant: datetime | None, *, now: datetime | None = None) -> str:
    """`8 s ago`, `in 5 min`."""
    if instant is None:
        return "-"
    ahead_s = (instant - (now or datetime.now(UTC))).total_seconds()
    return f"in {span(ahead_s)}" if ahead_s > 0 else f"{span(-ahead_s)} ago"


def span(seconds: float) -> str:
    for unit, size_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def short(node_id: str) -> str:
    """Enough of an address to recognise it: 0x12ab…90ef."""
    return f"{node_id[:6]}…{node_id[-4:]}" if len(node_id) > 12 else node_id
