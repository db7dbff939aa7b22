"""`docs/benchmarks.md`: one row a figure; a new run replaces its own row and leaves the others."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figure import Figure

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `make bench` (one: `make bench ONLY=name`). Each figure stands beside a peer or a limit measured in
the same run; machines differ, so read the ratio. A missed target stays here, with the reason.

| name | value | peer or limit | its value | ratio | target | met | machine | date | note |
|---|---|---|---|---|---|---|---|---|---|
"""


def write(figure: Figure) -> None:
    rows = _rows()
    rows[figure.name] = _row(figure)
    PAGE.write_text(HEAD + "".join(rows[name] for name in sorted(rows)))


def _rows() -> dict[str, str]:
    if not PAGE.exists():
        return {}
    lines = PAGE.read_text().splitlines(keepends=True)
    body = [line for line in lines if line.startswith("| ") and not line.startswith("| name |")]
    return {line.split("|")[1].strip(): line for line in body}


def _row(figure: Figure) -> str:
    sign = "≥" if figure.at_least else "≤"
    cells = (
        figure.name,
        f"{figure.value:,.4g} {figure.unit}",
        figure.peer,
        f"{figure.peer_value:,.4g} {figure.unit}",
        f"{figure.ratio:.3g}",
        f"{sign} {figure.target:g}",
        "yes" if figure.met else "**no**",
        figure.machine,
        figure.date,
        figure.note,
    )
    return "| " + " | ".join(cells) + " |\n"
