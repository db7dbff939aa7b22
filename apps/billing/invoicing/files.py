"""An invoice as a file: JSON with all its proof, and CSV for spreadsheets. The PDF is in paper.py."""

from __future__ import annotations

import csv
import io
import json

from apps.billing.invoices import CreditNote, Invoice
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


def as_csv(invoice: Invoice) -> bytes:
    """A row for each line and each tax, and the total; UTF-8 with the mark that spreadsheets want."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("invoice", "kind", *COLUMNS))
    for line in invoice.lines:
        writer.writerow((invoice.number, "usage", *(_cell(line.get(name, "")) for name in COLUMNS)))
    blank = [""] * (len(COLUMNS) - 1)
    for tax in invoice.taxes:
        label = _cell(f"{tax['name']} {tax['percent']} %")
        writer.writerow((invoice.number, "tax", label, *blank[1:], tax["amount_glm"]))
    writer.writerow((invoice.number, "total", *blank, plain(invoice.total_glm)))
    return out.getvalue().encode("utf-8-sig")


def _cell(value: object) -> str:
    """Names come from other people: none of them becomes a formula in somebody's spreadsheet."""
    text = str(value)
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
