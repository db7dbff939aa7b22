"""An invoice as a file: JSON with all its proof, and CSV for spreadsheets. The PDF is in paper.py."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

from apps.billing.invoicing.models import CreditNote, Invoice
from apps.billing.invoicing.sealing import export_of
from apps.money import plain

COLUMNS = (
    "deployment",
    "service",
    "replica",
    "node",
    "node_name",
    "agreement",
    "what",
    "runtime",
    "cpu_threads",
    "mem_gib",
    "running_s",
    "cpu_s",
    "egress_bytes",
    "cost_glm",
)


def as_json(paper: Invoice | CreditNote) -> bytes:
    """What `hive verify-invoice` reads."""
    return json.dumps(export_of(paper), ensure_ascii=False, indent=1).encode()


def as_csv(paper: Invoice | CreditNote) -> bytes:
    """A row for each line and each tax, and the total; UTF-8 with the mark that spreadsheets want."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("number", "kind", *COLUMNS))
    for line in _lines(paper):
        writer.writerow((paper.number, line.pop("kind"), *(cell(line.get(name, "")) for name in COLUMNS)))
    return out.getvalue().encode("utf-8-sig")


def _lines(paper: Invoice | CreditNote) -> Iterator[dict[str, object]]:
    if isinstance(paper, Invoice):
        yield from ({"kind": "usage", **line} for line in paper.lines)
    else:
        yield {"kind": "credit", "what": f"{paper.invoice}: {paper.reason}", "cost_glm": plain(paper.net_glm)}
    for tax in paper.taxes:
        what = f"{tax['name']} {tax['percent']} %"
        yield {"kind": "tax", "what": what, "cost_glm": tax["amount_glm"]}
    yield {"kind": "total", "cost_glm": plain(paper.total_glm)}


def cell(value: object) -> str:
    """Names come from other people: none of them becomes a formula in somebody's spreadsheet."""
    text = str(value)
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
