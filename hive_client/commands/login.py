"""`hive login`."""

from __future__ import annotations

import sys

import click

from hive_client.config import DEFAULT_URL, Login, save_login
from hive_client.connection import open_hive
from hive_client.examples import examples
from hive_client.nouns import Me
from hive_client.output import JSON, clean, output_option, print_json, when

EXAMPLES = examples(
    "hive login http://localhost:8000",
    "hive login https://hive.example --token hive_abc…",
    "pass show hive | hive login https://hive.example --token -",
)


@click.command(epilog=EXAMPLES)
@click.argument("url", default=DEFAULT_URL)
@click.option(
    "--token", help="The API token; asked for when left out, read from standard input when it is `-`."
)
@output_option
def login(url: str, token: str | None, output: str) -> None:
    """Save the address of a Hive and a token for it, once the Hive accepts the token.

    A team's owner makes tokens in the portal, under Tokens. The file can be read by you alone.
    """
    given = Login(url=url.rstrip("/"), token=_token(token))
    me = open_hive(given).me()
    saved_in = save_login(given)
    if output == JSON:
        print_json({"url": given.url, "file": str(saved_in), "me": me})
    else:
        click.echo(f"Logged in to {given.url} as {_who(me)}. Saved in {saved_in}.")


def _token(given: str | None) -> str:
    if given == "-":
        return sys.stdin.readline().strip()
    return given or _asked()


def _asked() -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(
            "no terminal to ask on: give --token, or --token - to read it from standard input"
        )
    return str(click.prompt("Token", hide_input=True, err=True)).strip()


def _who(me: Me) -> str:
    teams = ", ".join(f"{team.role} of {team.slug}" for team in me.teams)
    expiry = f"; the token expires {when(me.token.expires_at)}" if me.token else ""
    return clean(f"{me.user} ({teams}{expiry})")
