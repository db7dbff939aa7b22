"""`hive deploy`."""

from __future__ import annotations

import sys

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.following import finish, wait_options
from hive_client.manifests import STDIN, manifest_options, obstacles, read_manifest, show_plan
from hive_client.nouns import Plan
from hive_client.output import JSON, output_option
from hive_client.variables import read_variables


@click.command(
    epilog=examples(
        "hive deploy -f compose.yaml",
        "hive deploy -f compose.yaml --env TAG=1.2",
        "hive deploy -f - --name hello --yes -o json < compose.yaml",
    )
)
@manifest_options
@click.option("-y", "--yes", is_flag=True, help="Apply the plan without asking.")
@wait_options
@output_option
def deploy(
    file: str,
    name: str | None,
    env: tuple[str, ...],
    env_file: tuple[str, ...],
    yes: bool,
    wait: bool,
    timeout: float,
    output: str,
) -> None:
    """Run a Compose file: show the plan, apply it, and follow it until every replica is healthy.

    A deployment of the same name is changed to what the file says.
    """
    if not yes and (file == STDIN or not sys.stdin.isatty()):
        raise click.UsageError("there is no terminal to ask on: add --yes to apply the plan")
    source, file_name = read_manifest(file)
    variables = read_variables(file, env=env, env_files=env_file)
    hive = connect()
    plan = hive.plan(source, name=name, file_name=file_name, variables=variables)
    if output != JSON or not yes:
        show_plan(plan, err=output == JSON)
    if not yes:
        _ask(plan)
    finish(hive, hive.apply(plan), wait=wait, timeout=timeout, output=output)


def _ask(plan: Plan) -> None:
    """What would wait is applied on an outspoken yes alone. Raises click.Abort on a no."""
    if obstacles(plan):
        click.confirm("Apply it all the same? It will wait.", default=False, abort=True, err=True)
    else:
        click.confirm("Apply it?", default=True, abort=True, err=True)
