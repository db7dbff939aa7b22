"""`hive agent quote`: the sum behind policy "cost", and whether bee.toml's prices cover it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec.structs import asdict

from agent import machine
from agent.bee_toml import cost_section
from agent.cli.exits import or_exit
from agent.cli.options import AMOUNT, home_option
from agent.config import Config, Costs, Rent, read_config
from agent.quote import Quote, as_json, as_text, quote

_NEEDED = ("watts_idle", "watts_busy", "power_price_per_kwh", "glm_price")


@click.command("quote")
@home_option
@click.option("--watts-idle", type=AMOUNT, metavar="W", help="Power drawn with nothing to do.")
@click.option("--watts-busy", type=AMOUNT, metavar="W", help="Power drawn with every thread busy.")
@click.option("--watts-one-thread", type=AMOUNT, metavar="W", help="Power drawn with one busy thread.")
@click.option("--power-price", "power_price_per_kwh", type=AMOUNT, metavar="PRICE", help="Of one kWh.")
@click.option("--machine-price", type=AMOUNT, metavar="PRICE", help="0 when it is paid for.")
@click.option("--lifetime-years", type=AMOUNT, metavar="YEARS", help="How long the machine lasts.")
@click.option(
    "--hours-per-day", type=AMOUNT, metavar="HOURS", help="How long something runs here, on average."
)
@click.option("--always-on/--not-always-on", default=None, help="Whether it would be on anyway.")
@click.option("--glm-price", type=AMOUNT, metavar="PRICE", help="Of one GLM.")
@click.option("--currency", metavar="NAME", help="Of all these prices.")
@click.option("--margin-percent", type=AMOUNT, metavar="PERCENT", help="Asked on top of the cost.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: for scripts; amounts are text.",
)
@click.option("--json", "is_json", is_flag=True, help="The same as -o json.")
def quote_command(home: Path, output: str, is_json: bool, **figures: Any) -> None:
    """Reckon what this machine has to earn so that nothing works at a loss.

    Figures that are not given here are those of [prices.cost] in HOME/bee.toml; with all of them given it
    serves before joining, too. Nothing is changed.
    """
    given = {name: value for name, value in figures.items() if value is not None}
    result, is_tried = or_exit(lambda: _reckon(home, given))
    if is_json or output == "json":
        return click.echo(json.dumps(as_json(result), indent=2))
    click.echo(as_text(result))
    if is_tried:
        click.echo('\nTo ask these prices, put this into bee.toml, and policy = "cost" under [prices]:\n')
        click.echo(cost_section(result.costs).rstrip())


def _reckon(home: Path, given: dict[str, Any]) -> tuple[Quote, bool]:
    """(the quote, whether its figures are others than bee.toml's)."""
    is_written = (home / "bee.toml").exists()
    config = read_config(home) if is_written else _config_of_this_machine(home)
    written = config.prices.cost
    costs = _costs((asdict(written) if written else {}) | given)
    is_tried = costs != written or config.prices.policy != "cost"
    return quote(config, costs, machine.all_threads(), is_written=is_written), is_tried


def _costs(figures: dict[str, Any]) -> Costs:
    if missing := [name for name in _NEEDED if name not in figures]:
        options = {"power_price_per_kwh": "--power-price"}
        names = ", ".join(options.get(name, "--" + name.replace("_", "-")) for name in missing)
        raise click.UsageError(f"{names}: needed here or under [prices.cost] in bee.toml")
    try:
        return Costs(**figures)
    except (ValueError, msgspec.ValidationError) as error:
        raise click.UsageError(str(error)) from None


def _config_of_this_machine(home: Path) -> Config:
    rent = Rent(threads=machine.cpu_threads(), mem_gib=machine.rentable_mem_gib(), storage_gib=Decimal(0))
    return Config(url="", name="", advertise="", rent=rent)
