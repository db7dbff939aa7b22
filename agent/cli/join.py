"""`hive agent join`: enrol with a token, write bee.toml."""

from __future__ import annotations

import asyncio
import json
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from agent import machine
from agent.cli.exits import or_exit
from agent.cli.options import AMOUNT, HOURS, PORTAL_URL, REGION_CODE, home_option
from agent.config import RUNTIMES, Config, Prices, Rent, Rules, write_config
from agent.errors import AgentError

_PRICES = Prices()


@click.command()
@click.argument("url", type=PORTAL_URL)
@click.argument("token")
@home_option
@click.option("--name", default=socket.gethostname, show_default="host name", help="Shown to people.")
@click.option(
    "--advertise",
    default="127.0.0.1",
    show_default=True,
    metavar="HOST",
    help="Where the Hive's edge reaches what runs here.",
)
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    type=click.Choice(RUNTIMES),
    help="May be given more than once.  [default: all that work]",
)
@click.option("--threads", type=AMOUNT, help="CPU threads for rent.  [default: all]")
@click.option("--memory", type=AMOUNT, metavar="GIB", help="Memory for rent.  [default: three quarters]")
@click.option(
    "--gpus",
    type=click.IntRange(0, 1024),
    default=0,
    metavar="NUMBER",
    help="GPUs for rent.  [default: none]",
)
@click.option(
    "--region", type=REGION_CODE, default="", help="Where it stands, such as eu-central.  [default: not said]"
)
@click.option(
    "--hours",
    multiple=True,
    type=HOURS,
    help="When it is for rent, such as '22:00-08:00' or 'sat,sun 00:00-24:00'.  [default: always]",
)
@click.option(
    "--price-start",
    type=AMOUNT,
    default=_PRICES.start,
    show_default=True,
    metavar="GLM",
    help="Once for each agreement.",
)
@click.option(
    "--price-second",
    type=AMOUNT,
    default=_PRICES.second,
    show_default=True,
    metavar="GLM",
    help="For each second of running.",
)
@click.option(
    "--price-cpu-second",
    type=AMOUNT,
    default=_PRICES.cpu_second,
    show_default=True,
    metavar="GLM",
    help="For each second of CPU time.",
)
@click.option(
    "--price-egress-gib",
    type=AMOUNT,
    default=_PRICES.egress_gib,
    show_default=True,
    metavar="GLM",
    help="For each GiB sent.",
)
@click.option(
    "--bargain",
    type=click.FloatRange(0, 100),
    default=100,
    show_default=True,
    metavar="PERCENT",
    help="Accept down to this part of the prices.",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="PATTERN",
    help="Images that may run, such as 'hive/*'.  [default: any]",
)
@click.option(
    "--team",
    "teams",
    multiple=True,
    metavar="NAME",
    help="Teams that may rent it, by their short names.  [default: all]",
)
@click.option(
    "--console/--no-console",
    default=None,
    help="Shells for the renting team.  [default: where they are confined]",
)
@click.option("--force", is_flag=True, help="Write bee.toml anew; the key stays.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def join(url: str, token: str, home: Path, output: str, force: bool, **chosen: Any) -> None:
    """Join the Hive at URL with a one-time enrolment TOKEN.

    Makes a key pair on first use, connects once, and writes HOME/bee.toml, where every rule can be changed.
    The TOKEN comes from the portal; it works once and expires.
    """
    if (home / "bee.toml").exists() and not force:
        raise click.UsageError(
            f"{home / 'bee.toml'} exists: this bee has joined already. --force writes it anew."
        )
    welcome = or_exit(lambda: _join(url, token, home, chosen))
    click.echo(json.dumps(welcome) if output == "json" else _next_steps(welcome, home))


def _join(url: str, token: str, home: Path, chosen: dict[str, Any]) -> dict[str, Any]:
    from agent.bee import Bee
    from agent.identity import load_or_make_key, node_id
    from agent.life import only_one
    from agent.link import enrol
    from agent.runtimes.detect import detect_runtimes

    _make_home(home)
    with only_one(home):
        config = _config(url, home, chosen)
        key = load_or_make_key(home)
        runtimes = asyncio.run(detect_runtimes(config.rules.runtimes, home=home, node_id=node_id(key)))
        if not runtimes:
            raise AgentError("none of the chosen runtimes works on this machine")
        config = _with_runtimes(config, tuple(sorted(runtimes)))
        bee = Bee(home=home, config=config, runtimes=runtimes, poke=lambda: None)
        welcome = asyncio.run(enrol(bee, token))
        bee.journal.close()
        write_config(home, config)
    return {
        "node_id": bee.node_id,
        "approved": welcome.approved,
        "home": str(home),
        "runtimes": sorted(runtimes),
    }


def _config(url: str, home: Path, chosen: dict[str, Any]) -> Config:
    return Config(
        url=url,
        name=chosen["name"],
        advertise=chosen["advertise"],
        region=chosen["region"],
        rent=Rent(
            threads=machine.cpu_threads() if chosen["threads"] is None else chosen["threads"],
            mem_gib=machine.rentable_mem_gib() if chosen["memory"] is None else chosen["memory"],
            storage_gib=machine.storage_gib(home),
            gpus=chosen["gpus"],
            hours=chosen["hours"],
        ),
        prices=Prices(
            start=chosen["price_start"],
            second=chosen["price_second"],
            cpu_second=chosen["price_cpu_second"],
            egress_gib=chosen["price_egress_gib"],
            lowest_percent=Decimal(str(chosen["bargain"])),
        ),
        rules=Rules(
            runtimes=tuple(chosen["runtimes"] or RUNTIMES),
            images=tuple(chosen["images"] or ("*",)),
            teams=chosen["teams"],
            console=chosen["console"],
        ),
    )


def _with_runtimes(config: Config, runtimes: tuple[str, ...]) -> Config:
    from msgspec.structs import replace

    return replace(config, rules=replace(config.rules, runtimes=runtimes))


def _make_home(home: Path) -> None:
    """Others may pass through it: replicas run as users of their own. Every secret in it has mode 0600."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o711)
    except OSError as error:
        raise AgentError(
            f"{home} can't be written to ({error.strerror}): choose another with --home"
        ) from error


def _next_steps(welcome: dict[str, Any], home: Path) -> str:
    wait = "" if welcome["approved"] else "An operator has to approve it before it gets work.\n"
    return (
        f"Joined. This bee is {welcome['node_id']}; it offers {', '.join(welcome['runtimes'])}.\n{wait}"
        f"Your rules and prices: {home / 'bee.toml'}; what they should be: hive agent quote\n"
        f"Start it with: hive agent run --home {home}"
    )
