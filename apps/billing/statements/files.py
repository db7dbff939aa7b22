"""Statements as files: JSON for programs, CSV for spreadsheets. The PDF is in paper.py."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from apps.billing.invoicing.files import cell
from apps.billing.statements.statement import Statement
from apps.money import plain

FORMAT = "golem-hive-statement/1"


def document_of(statement: Statement) -> dict[str, Any]:
    """In JSON's own kinds; amounts are text, exact; instants are UTC."""
    return {
        "format": FORMAT,
        "team": statement.team,
        "budget": statement.budget_id,
        "name": statement.name,
        "start": statement.start.isoformat(),
        "end": statement.end.isoformat(),
        "opening_glm": plain(statement.opening_glm),
        "came_in_glm": plain(statement.came_in_glm),
        "went_out_glm": plain(statement.went_out_glm),
        "closing_glm": plain(statement.closing_glm),
        "closing_label": statement.closing_label,
        "is_over": statement.is_over,
        "entries": [
            {
                "at": entry.at.isoformat(),
                "kind": entry.kind,
                "label": entry.label,
                "about": entry.about,
                "reference": entry.reference,
                "address": entry.address,
                "tx_hash": entry.tx_hash,
                "amount_glm": plain(entry.amount_glm),
                "balance_glm": plain(entry.balance_glm),
            }
            for entry in statement.entries
        ],
    }


def as_json(statements: Sequence[Statement]) -> bytes:
    return json.dumps([document_of(each) for each in statements], ensure_ascii=False, indent=1).encode()


COLUMNS = (
    *("budget", "at", "kind", "about", "amount_glm", "balance_glm"),
    *("reference", "address", "tx_hash", "label"),
)
"""New ones are added at the end: spreadsheets count them."""


def as_csv(statements: Sequence[Statement]) -> bytes:
    """One after the other, under one head; UTF-8 with the mark that spreadsheets want."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    for statement in statements:
        writer.writerows(_rows(document_of(statement)))
    return out.getvalue().encode("utf-8-sig")


def _rows(told: dict[str, Any]) -> Iterator[dict[str, str]]:
    name, over = cell(told["name"]), told["is_over"]
    yield {"budget": name, "at": told["start"], "kind": "opening", "balance_glm": told["opening_glm"]}
    for entry in told["entries"]:
        names = {key: cell(entry[key]) for key in ("about", "reference")}
        yield {**entry, **names, "budget": name}
    yield {
        "budget": name,
        "at": told["end"],
        "kind": "closing" if over else "so far",
        "about": "" if over else told["closing_label"],
        "balance_glm": told["closing_glm"],
    }
