"""`hive scale`."""

from __future__ import annotations

import re

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.following import finish, wait_options
from hive_client.output import output_option


@click.command(epilog=examples("hive scale hello web=5", "hive scale hello web=0 worker=2 --no-wait"))
@click.argument("name")
@click.argument("replicas", nargs=-1, required=True, metavar="SERVICE=COUNT...")
@wait_options
@output_option
def scale(name: str, replicas: tuple[str, ...], wait: bool, timeout: float, output: str) -> None:
    """Change how many replicas services of the deployment NAME have."""
    wanted = dict(_count(word) for word in replicas)
    hive = connect()
    finish(hive, hive.deployments.scale(name, **wanted), wait=wait, timeout=timeout, output=output)


def _count(word: str) -> tuple[str, int]:
    service, _, count = word.partition("=")
    if not service or not re.fullmatch("[0-9]+", count):
        raise click.BadParameter(f'expected SERVICE=COUNT such as web=5, got "{word}"')
    return service, int(count)
