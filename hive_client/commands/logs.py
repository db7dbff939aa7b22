"""`hive logs`."""

from __future__ import annotations

import itertools
import time

import click

from hive_client.connection import connect
from hive_client.errors import HiveError
from hive_client.examples import examples
from hive_client.nouns import Log
from hive_client.output import JSON, clean, output_option, print_json
from hive_client.sdk import Hive

PAUSE_S = 1.0


@click.command(
    epilog=examples("hive logs hello", "hive logs hello web-1 --tail 50", "hive logs hello --follow")
)
@click.argument("name")
@click.argument("replica", required=False)
@click.option(
    "--tail", type=click.IntRange(min=1), default=200, show_default=True, help="Lines of each, at most."
)
@click.option("--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@output_option
def logs(name: str, replica: str | None, tail: int, follow: bool, output: str) -> None:
    """Show what the replicas of the deployment NAME wrote, or the one called REPLICA alone."""
    if follow and output == JSON:
        raise click.UsageError("--follow has no end at which JSON could be written: leave out one of the two")
    hive = connect()
    if follow:
        return _follow(hive, name, replica, tail)
    found = [hive.deployments.log(name, each, tail=tail) for each in _names(hive, name, replica)]
    if output == JSON:
        return print_json(found)
    if not found:
        click.echo(f"No replica of {name} has been placed yet.", err=True)
    for log in found:
        _write(log, alone=replica is not None)


def _follow(hive: Hive, name: str, replica: str | None, tail: int) -> None:
    """Replicas come and go while somebody follows: each round looks which there are."""
    marks: dict[str, str] = {}
    told: dict[str, str] = {}
    try:
        for round in itertools.count():
            if round:
                time.sleep(PAUSE_S)
            for each in _names(hive, name, replica):
                _follow_one(hive, name, each, tail, marks, told, alone=replica is not None)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None


def _follow_one(
    hive: Hive,
    name: str,
    replica: str,
    tail: int,
    marks: dict[str, str],
    told: dict[str, str],
    *,
    alone: bool,
) -> None:
    """What keeps a log away, a replica that is just being replaced say, is told once and waited out."""
    try:
        log = hive.deployments.log(name, replica, tail=tail, after=marks.get(replica, ""))
    except HiveError as error:
        if error.code != "no_log":
            raise
        if told.get(replica) != error.message:
            click.echo(clean(f"{replica}: {error.message}"), err=True)
        told[replica] = error.message
        return
    marks[replica] = log.mark
    told.pop(replica, None)
    _write(log, alone=alone)


def _names(hive: Hive, name: str, replica: str | None) -> list[str]:
    if replica is not None:
        return [replica]
    return [each.name for each in hive.deployments.replicas(name) if each.node_id]


def _write(log: Log, *, alone: bool) -> None:
    for line in log.text.splitlines():
        click.echo(clean(line) if alone else f"{log.replica}  {clean(line)}")
