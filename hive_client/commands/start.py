"""`hive start`."""

from __future__ import annotations

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.following import finish, wait_options
from hive_client.output import output_option


@click.command(epilog=examples("hive start hello"))
@click.argument("name")
@wait_options
@output_option
def start(name: str, wait: bool, timeout: float, output: str) -> None:
    """Start the stopped deployment NAME again."""
    hive = connect()
    finish(hive, hive.deployments.start(name), wait=wait, timeout=timeout, output=output)
