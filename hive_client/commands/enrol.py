"""`hive enrol`."""

from __future__ import annotations

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.output import JSON, output_option, print_json, when


@click.command(epilog=examples("hive enrol", "hive enrol --approve --valid-hours 1"))
@click.option(
    "--valid-hours", type=click.IntRange(min=1), default=24, show_default=True, help="Until it expires."
)
@click.option("--approve", is_flag=True, help="The node may take work at once; for operators.")
@output_option
def enrol(valid_hours: int, approve: bool, output: str) -> None:
    """Make a one-time token with which a Bee joins in your name. It is shown this once."""
    hive = connect()
    enrolment = hive.enrol(valid_hours=valid_hours, approves=approve)
    if output == JSON:
        print_json(enrolment)
    else:
        click.echo(f"On the machine you want to rent out (the token expires {when(enrolment.expires_at)}):")
        click.echo(f"  hive agent join {hive.url} {enrolment.token}")
