"""`hive agent run`: the Bee's working life."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import click

from agent.cli.exits import fail, or_exit
from agent.cli.options import PORTAL_URL, home_option
from agent.errors import AgentError


@click.command()
@home_option
@click.option(
    "--url",
    type=PORTAL_URL,
    envvar="HIVE_BEE_URL",
    show_envvar=True,
    help="Where the portal is now, if it has moved since bee.toml was written.",
)
@click.option(
    "--stop-replicas",
    is_flag=True,
    help="On SIGTERM or Ctrl-C stop what runs here, too; else it is adopted at the next start.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
def run(home: Path, url: str | None, stop_replicas: bool, verbose: bool) -> None:
    """Work for the Hive that was joined, until SIGTERM or Ctrl-C.

    The link is kept up for ever, with growing pauses; what runs goes on without it until its leases run out.
    """
    from agent.life import live

    _log_to_stderr(verbose)
    if not home.is_dir():
        fail(AgentError(f"{home} does not exist: join a Hive first with `hive agent join URL TOKEN`"))
    or_exit(lambda: asyncio.run(live(home, stop_replicas=stop_replicas, url=url)))


def _log_to_stderr(verbose: bool) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(message)s", level=logging.WARNING)
    logging.getLogger("hive").setLevel(logging.DEBUG if verbose else logging.INFO)
