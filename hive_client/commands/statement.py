"""`hive statement`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns import Statement, StatementEntry
from hive_client.output import JSON, clean, every_digit, output_option, print_json, print_table

COLUMNS = ("When", "What", "For", "glm", "balance glm")
TRANSACTION = "Transaction"
FORMS: dict[str, Literal["json", "csv", "pdf"]] = {".json": "json", ".csv": "csv", ".pdf": "pdf"}


@click.command(
    epilog=examples(
        "hive statement",
        "hive statement --month 2026-05 -o json",
        "hive statement --month 2026-05 --save may.pdf",
    )
)
@click.option("--month", default="", metavar="YYYY-MM", help="In UTC; this month if it is left out.")
@click.option(
    "--budget", default="main", show_default=True, metavar="NAME", help="Which of the team's budgets."
)
@click.option(
    "--save",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to FILE, which ends in .pdf, .csv or .json.",
)
@output_option
def statement(month: str, budget: str, save: Path | None, output: str) -> None:
    """Show all that moved a budget's money in a month, between its opening and its closing balance.

    Money held for leases is part of the balance. Every figure has all its digits, so that they add up.
    """
    if save and save.suffix not in FORMS:
        raise click.UsageError(f'--save: expected a FILE that ends in .pdf, .csv or .json, got "{save}"')
    hive = connect()
    statements = {each.name: each for each in hive.statements(month=month)}
    if budget not in statements:
        known = ", ".join(map(clean, statements)) or "none yet: pay in first"
        raise click.UsageError(f'--budget: there is no "{budget}"; your team has {known}')
    found = statements[budget]
    if save:
        save.write_bytes(hive.statement_file(found.budget, FORMS[save.suffix], month=month))
        click.echo(f"The statement of {found.start:%B %Y} is in {save}.", err=True)
    else:
        print_json(found) if output == JSON else _told(found)


def _told(found: Statement) -> None:
    opening = f"opening balance {every_digit(found.opening_glm)} GLM"
    click.echo(f"{found.start:%B %Y}, budget {clean(found.name)}: {opening}")
    with_hash = any(entry.tx_hash for entry in found.entries)
    columns = (*COLUMNS, TRANSACTION) if with_hash else COLUMNS
    rows = [_row(entry, with_hash=with_hash) for entry in found.entries]
    print_table(columns, rows, empty="Nothing moved.")
    moved = f"{every_digit(found.came_in_glm)} GLM came in, {every_digit(found.went_out_glm)} GLM went out"
    label = found.closing_label[:1].lower() + found.closing_label[1:]
    click.echo(f"{moved}; {label} {every_digit(found.closing_glm)} GLM")


def _row(entry: StatementEntry, *, with_hash: bool) -> tuple[str, ...]:
    amounts = every_digit(entry.amount_glm), every_digit(entry.balance_glm)
    told = f"{entry.at:%Y-%m-%d %H:%M}", entry.label, entry.about, *amounts
    return (*told, entry.tx_hash) if with_hash else told
