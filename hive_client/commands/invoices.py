"""`hive invoices`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns import Invoice
from hive_client.output import JSON, glm, output_option, print_json, print_table, short, when

LINES = ("What", "Node", "Agreement", "seconds", "cpu seconds", "egress bytes", "glm")
COLUMNS = ("Invoice", "From", "To", "total glm", "agreements", "Drawn up")


@click.command(
    epilog=examples("hive invoices", "hive invoices HIVE-2026-000001 -o json", "hive invoices --draw-up")
)
@click.argument("number", required=False)
@click.option("--draw-up", is_flag=True, help="Invoice what was used and not invoiced yet.")
@output_option
def invoices(number: str | None, draw_up: bool, output: str) -> None:
    """List invoices, show the one with this NUMBER, or draw one up now.

    The JSON output has every digit and the snapshot that each line was computed from.
    """
    if number and draw_up:
        raise click.UsageError("NUMBER shows an invoice and --draw-up makes one: give one of them")
    hive = connect()
    if number or draw_up:
        found = hive.draw_up_invoice() if draw_up else hive.invoice(number or "")
        print_json(found) if output == JSON else _whole(found)
    else:
        listed = list(hive.invoices())
        print_json(listed) if output == JSON else _table(listed)


def _whole(invoice: Invoice) -> None:
    _table([invoice])
    print_table(LINES, [_line(line) for line in invoice.lines], empty="Nothing was used.")


def _table(found: list[Invoice]) -> None:
    print_table(
        COLUMNS, [_row(invoice) for invoice in found], empty="No invoices yet: draw one up with --draw-up."
    )


def _row(invoice: Invoice) -> tuple[str, ...]:
    period = [f"{at:%Y-%m-%d %H:%M}" for at in (invoice.period_start, invoice.period_end)]
    return invoice.number, *period, glm(invoice.total_glm), str(len(invoice.lines)), when(invoice.issued_at)


def _line(line: dict[str, Any]) -> tuple[str, ...]:
    node = f"{line['node_name']} {short(line['node'])}"
    used = (str(line[name]) for name in ("running_s", "cpu_s", "egress_bytes"))
    return line["what"], node, line["agreement"][:8], *used, glm(Decimal(line["cost_glm"]))
