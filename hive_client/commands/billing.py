"""`hive billing`: whom your team's invoices are made out to, and where reminders go."""

from __future__ import annotations

import click

from hive_client.commands.listing import listing_group
from hive_client.connection import connect
from hive_client.errors import HiveError
from hive_client.examples import examples
from hive_client.nouns import BillingDetails
from hive_client.output import JSON, output_option, print_json, print_table

COLUMNS = ("Team", "Name", "Tax id", "Mails go to", "Taxes", "Address")
CHANGES = examples(
    'hive billing change --name "Brot GmbH" --tax-id DE123456789',
    'hive billing change --address "Ofengasse 1" --address "10115 Berlin"',
    'hive billing change --email ""',
)


@listing_group(
    epilog=examples("hive billing", 'hive billing change --name "Brot GmbH"'), subcommand_metavar="[change]"
)
@output_option
def billing(output: str) -> None:
    """Show whom invoices are made out to, for each of your teams. Taxes are the operator's to set."""
    _show(list(connect().billing_details()), output)


@billing.command(epilog=CHANGES)
@click.option("--name", help="As on the invoice; empty: the team's own.")
@click.option("--address", multiple=True, metavar="LINE", help="One for each line, in their order.")
@click.option("--tax-id", help="Your tax number.")
@click.option("--email", help="Where reminders go; empty: to the team's owners.")
@click.option("--team", help="Which, where there are several.")
@output_option
def change(
    name: str | None,
    address: tuple[str, ...],
    tax_id: str | None,
    email: str | None,
    team: str | None,
    output: str,
) -> None:
    """Change it for invoices that are drawn up from now on. What is not said stays as it is. For owners."""
    lines = "\n".join(address) if address else None
    said = {"name": name, "address": lines, "tax_id": tax_id, "email": email}
    changes = {field: text for field, text in said.items() if text is not None}
    if not changes:
        raise click.UsageError("say what to change: --name, --address, --tax-id or --email")
    hive = connect()
    whose = team or _only([each.team for each in hive.billing_details()])
    _show([hive.change_billing_details(whose, **changes)], output)


def _only(teams: list[str]) -> str:
    if len(teams) != 1:
        raise HiveError(f"say which team with --team: {', '.join(teams) or 'you are in none'}", code="which")
    return teams[0]


def _show(found: list[BillingDetails], output: str) -> None:
    if output == JSON:
        print_json(found)
        return
    print_table(COLUMNS, [_row(each) for each in found], empty="You are in no team.")


def _row(each: BillingDetails) -> tuple[str, ...]:
    taxes = ", ".join(f"{tax['name']} {tax['percent']} %" for tax in each.taxes)
    return (
        each.team,
        each.name or "as the team",
        each.tax_id or "-",
        each.email or "the owners",
        taxes or "none",
        ", ".join(each.address.splitlines()) or "-",
    )
