"""`hive invoices`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns import Invoice
from hive_client.output import JSON, clean, glm, output_option, print_json, print_table, short, when

LINES = ("For", "What", "Node", "Agreement", "seconds", "cpu seconds", "egress bytes", "glm")
COLUMNS = ("Invoice", "State", "From", "To", "total glm", "due glm", "agreements", "Drawn up")
FORMS: dict[str, Literal["json", "csv", "pdf"]] = {".json": "json", ".csv": "csv", ".pdf": "pdf"}


@click.command(
    epilog=examples(
        "hive invoices",
        "hive invoices HIVE-2026-000001 -o json",
        "hive invoices HIVE-2026-000001 --save invoice.pdf",
        "hive invoices --draw-up",
    )
)
@click.argument("number", required=False)
@click.option("--draw-up", is_flag=True, help="Invoice what was used and not invoiced yet.")
@click.option(
    "--save",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to FILE, which ends in .pdf, .csv, or .json for hive verify-invoice.",
)
@output_option
def invoices(number: str | None, draw_up: bool, save: Path | None, output: str) -> None:
    """List invoices, show the one with this NUMBER, or draw one up now.

    The JSON output has every digit and the snapshot that each line was computed from.
    """
    if number and draw_up:
        raise click.UsageError("NUMBER shows an invoice and --draw-up makes one: give one of them")
    if save and not number:
        raise click.UsageError("--save writes one invoice: give its NUMBER")
    if save and save.suffix not in FORMS:
        raise click.UsageError(f'--save: expected a FILE that ends in .pdf, .csv or .json, got "{save}"')
    hive = connect()
    if save and number:
        save.write_bytes(hive.invoice_file(number, FORMS[save.suffix]))
        click.echo(f"{number} is in {save}.", err=True)
    elif number or draw_up:
        found = hive.draw_up_invoice() if draw_up else hive.invoice(number or "")
        print_json(found) if output == JSON else _whole(found)
    else:
        listed = list(hive.invoices())
        print_json(listed) if output == JSON else _table(listed)


def _whole(invoice: Invoice) -> None:
    _table([invoice])
    print_table(LINES, [_line(line) for line in invoice.lines], empty="Nothing was used.")
    for tax in invoice.taxes:
        click.echo(f"{clean(tax['name'])} {tax['percent']} %: {glm(Decimal(tax['amount_glm']))} GLM")
    for note in invoice.credit_notes:
        click.echo(f"Credited by {note.number}: {glm(note.total_glm)} GLM, {clean(note.reason)}")


def _table(found: list[Invoice]) -> None:
    print_table(
        COLUMNS, [_row(invoice) for invoice in found], empty="No invoices yet: draw one up with --draw-up."
    )


def _row(invoice: Invoice) -> tuple[str, ...]:
    period = [f"{at:%Y-%m-%d %H:%M}" for at in (invoice.period_start, invoice.period_end)]
    amounts = glm(invoice.total_glm), glm(invoice.due_glm)
    drawn_up = when(invoice.issued_at)
    return invoice.number, invoice.state, *period, *amounts, str(len(invoice.lines)), drawn_up


def _line(line: dict[str, Any]) -> tuple[str, ...]:
    node = f"{line['node_name']} {short(line['node'])}"
    used = (str(line[name]) for name in ("running_s", "cpu_s", "egress_bytes"))
    purpose = "/".join(filter(None, [line.get("deployment"), line.get("replica")])) or "-"
    return purpose, line["what"], node, line["agreement"][:8], *used, glm(Decimal(line["cost_glm"]))
