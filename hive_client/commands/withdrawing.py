"""`hive wallet withdraw` and its kin."""

from __future__ import annotations

from decimal import Decimal

import click

from hive_client.commands.amounts import Amount
from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns import Withdrawal
from hive_client.output import glm, output_option, print_rows, when

COLUMNS = ("Withdrawal", "State", "glm", "To", "Asked for", "Transaction", "Reason")


@click.command(epilog=examples("hive wallet withdraw 25 --to 0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"))
@click.argument("amount_glm", metavar="AMOUNT", type=Amount())
@click.option("--to", "recipient", required=True, help="A wallet that your team has proven.")
@output_option
def withdraw(amount_glm: Decimal, recipient: str, output: str) -> None:
    """Ask for AMOUNT GLM of the budget's unused balance. An owner confirms it; the Hive bears the gas."""
    _show([connect().withdrawals.request(amount_glm, recipient=recipient)], output)


@click.command(epilog=examples("hive wallet withdrawals -o json"))
@output_option
def withdrawals(output: str) -> None:
    """List what was asked for, and what became of it."""
    _show(list(connect().withdrawals), output)


@click.command(epilog=examples("hive wallet confirm 8b6b3c3e-0000-4000-8000-000000000001"))
@click.argument("withdrawal")
@output_option
def confirm(withdrawal: str, output: str) -> None:
    """Have a WITHDRAWAL paid. For owners."""
    _show([connect().withdrawals.confirm(withdrawal)], output)


@click.command(epilog=examples("hive wallet cancel 8b6b3c3e-0000-4000-8000-000000000001"))
@click.argument("withdrawal")
@output_option
def cancel(withdrawal: str, output: str) -> None:
    """Take a WITHDRAWAL back before it is confirmed."""
    _show([connect().withdrawals.cancel(withdrawal)], output)


def _show(found: list[Withdrawal], output: str) -> None:
    print_rows(found, output, columns=COLUMNS, row=_row, empty="Nothing was withdrawn yet.")


def _row(each: Withdrawal) -> tuple[str, ...]:
    told = (each.recipient, when(each.created_at), each.tx_hash or "-", each.reason)
    return (each.id, each.state, glm(each.amount_glm), *told)
