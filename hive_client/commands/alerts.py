"""`hive alerts`: when your team is told that its money ends."""

from __future__ import annotations

from typing import Literal

import click

from hive_client.commands.listing import listing_group
from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns.notices import Alert
from hive_client.output import output_option, print_rows, when

COLUMNS = ("Budget", "At", "Standing", "told of", "id")
EXAMPLES = examples(
    "hive alerts", "hive alerts add --used 50", "hive alerts add --hours-left 6", "hive alerts remove 12"
)
Kind = Literal["used", "runway"]


@listing_group(epilog=EXAMPLES, subcommand_metavar="[add | remove]")
@output_option
def alerts(output: str) -> None:
    """List the levels at which your team is told by mail and webhook, once per crossing."""
    _show(list(connect().alerts), output)


@alerts.command(epilog=examples("hive alerts add --used 50", "hive alerts add --hours-left 6"))
@click.option("--used", type=click.IntRange(1, 100), help="Percent used since the latest top-up.")
@click.option("--hours-left", type=click.IntRange(1, 8760), help="At the rate of what runs.")
@click.option("--budget", help="Its name, where your team has more than the main one.")
@output_option
def add(used: int | None, hours_left: int | None, budget: str | None, output: str) -> None:
    """Have your team told at one more level. For owners."""
    if (used is None) == (hours_left is None):
        raise click.UsageError("give either --used PERCENT or --hours-left HOURS")
    kind: Kind = "runway" if used is None else "used"
    _show([connect().alerts.add(kind, used or hours_left or 0, budget=budget)], output)


@alerts.command(epilog=examples("hive alerts remove 12"))
@click.argument("alert_id", metavar="ID", type=int)
def remove(alert_id: int) -> None:
    """Have your team not told at the level with this ID any more. For owners."""
    connect().alerts.remove(alert_id)
    click.echo(f"Alert {alert_id} is removed.", err=True)


def _show(found: list[Alert], output: str) -> None:
    print_rows(found, output, columns=COLUMNS, row=_row, empty="No alert is set: see hive alerts add.")


def _row(each: Alert) -> tuple[str, ...]:
    at = f"{each.level} % used" if each.kind == "used" else f"{each.level} h left"
    standing = f"crossed {when(each.crossed_at)}" if each.crossed_at else "armed"
    return each.budget, at, standing, str(each.crossings), str(each.id)
