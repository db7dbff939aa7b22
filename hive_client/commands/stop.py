"""`hive stop`."""

from __future__ import annotations

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.following import finish, wait_options
from hive_client.output import output_option


@click.command(epilog=examples("hive stop hello", 'hive stop hello --reason "moving house" --no-wait'))
@click.argument("name")
@click.option("--reason", help="For the audit trail.")
@wait_options
@output_option
def stop(name: str, reason: str | None, wait: bool, timeout: float, output: str) -> None:
    """Stop the deployment NAME. What was held and not used goes back to the budget."""
    hive = connect()
    finish(hive, hive.deployments.stop(name, reason=reason), wait=wait, timeout=timeout, output=output)
