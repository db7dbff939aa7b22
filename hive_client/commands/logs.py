"""`hive logs`."""

from __future__ import annotations

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.output import JSON, clean, output_option, print_json


@click.command(epilog=examples("hive logs hello", "hive logs hello web-1 --tail 50"))
@click.argument("name")
@click.argument("replica", required=False)
@click.option(
    "--tail", type=click.IntRange(min=1), default=200, show_default=True, help="Lines of each, at most."
)
@output_option
def logs(name: str, replica: str | None, tail: int, output: str) -> None:
    """Show what the replicas of the deployment NAME wrote, or the one called REPLICA alone."""
    hive = connect()
    placed = [each.name for each in hive.deployments.replicas(name) if each.node_id]
    names = [replica] if replica else placed
    found = [hive.deployments.log(name, each, tail=tail) for each in names]
    if output == JSON:
        return print_json(found)
    if not found:
        click.echo(f"No replica of {name} has been placed yet.", err=True)
    for log in found:
        _write(log.text, prefix="" if replica else f"{log.replica}  ")


def _write(text: str, *, prefix: str) -> None:
    for line in text.splitlines():
        click.echo(prefix + clean(line))
