"""Statements as files: JSON for programs, CSV for spreadsheets. The PDF is in paper.py."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
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
        "entries": [
            {
                "at": entry.at.isoformat(),
                "kind": entry.kind,
                "label": entry.label,
                "about": entry.about,
                "amount_glm": plain(entry.amount_glm),
                "balance_glm": plain(entry.balance_glm),
            }
            for entry in statement.entries
        ],
    }


def as_json(statements: Sequence[Statement]) -> bytes:
    return json.dumps([document_of(each) for each in statements], ensure_ascii=False, indent=1).encode()


def as_csv(statements: Sequence[Statement]) -> bytes:
    """One after the other, under one head; UTF-8 with the mark that spreadsheets want."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("budget", "at", "kind", "about", "amount_glm", "balance_glm"))
    for told in map(document_of, statements):
        name = cell(told["name"])
        writer.writerow((name, told["start"], "opening", "", "", told["opening_glm"]))
        for entry in told["entries"]:
            about = cell(entry["about"])
            writer.writerow(
                (name, entry["at"], entry["kind"], about, entry["amount_glm"], entry["balance_glm"])
            )
        writer.writerow((name, told["end"], "closing", "", "", told["closing_glm"]))
    return out.getvalue().encode("utf-8-sig")
