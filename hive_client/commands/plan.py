"""`hive plan`."""

from __future__ import annotations

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.manifests import manifest_options, read_manifest, show_plan
from hive_client.output import JSON, output_option, print_json
from hive_client.variables import read_variables


@click.command(epilog=examples("hive plan -f compose.yaml", "cat compose.yaml | hive plan -f - -o json"))
@manifest_options
@output_option
def plan(file: str, name: str | None, env: tuple[str, ...], env_file: tuple[str, ...], output: str) -> None:
    """Show what a Compose file would place where, at which price. Changes nothing.

    Faults of the file are printed one a line, with place and line number; the exit status is then 5.
    """
    source, file_name = read_manifest(file)
    variables = read_variables(file, env=env, env_files=env_file)
    drawn_up = connect().plan(source, name=name, file_name=file_name, variables=variables)
    if output == JSON:
        print_json(drawn_up)
    else:
        show_plan(drawn_up)
