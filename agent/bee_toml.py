"""`bee.toml` as it is written: every key with what it means, those that are not set as comments."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.config import Config, Costs


def render(config: Config) -> str:
    return _TEMPLATE.format(**_quoted(config)) + cost_section(config.prices.cost)


def cost_section(costs: Costs | None) -> str:
    """The figures of policy "cost"; without any, the whole section as a comment to fill in."""
    if costs is None:
        example = _COST.format(**_EXAMPLE)
        return (
            "\n".join(line if line.startswith("#") else f"# {line}" for line in example.splitlines()) + "\n"
        )
    one_thread = costs.watts_one_thread
    return _COST.format(
        watts_idle=_number(costs.watts_idle),
        watts_busy=_number(costs.watts_busy),
        watts_one_thread="# watts_one_thread = 45"
        if one_thread is None
        else f"watts_one_thread = {_number(one_thread)}",
        power_price_per_kwh=_number(costs.power_price_per_kwh),
        machine_price=_number(costs.machine_price),
        lifetime_years=_number(costs.lifetime_years),
        hours_per_day=_number(costs.hours_per_day),
        always_on=_text(costs.always_on),
        glm_price=_number(costs.glm_price),
        currency=_text(costs.currency),
        margin_percent=_number(costs.margin_percent),
    )


def _quoted(config: Config) -> dict[str, Any]:
    per_hour = config.prices.asked.per_hour_glm(Decimal(1))
    console = "" if config.rules.console is None else f"console = {_text(config.rules.console)}"
    return {
        "c": config,
        "url": _text(config.url),
        "name": _text(config.name),
        "advertise": _text(config.advertise),
        "region": _text(config.region),
        "hours": _text(config.rent.hours),
        "policy": _text(config.prices.policy),
        "runtimes": _text(config.rules.runtimes),
        "images": _text(config.rules.images),
        "digests": _text(config.rules.digests),
        "signers": _text(config.rules.signers),
        "teams": _text(config.rules.teams),
        "console": console or "# console = true",
        "per_hour": f"{per_hour.normalize() if per_hour else 0:f}",
    }


def _text(value: Any) -> str:
    """JSON's strings, lists and booleans are TOML's, too, as long as nothing is a surrogate pair."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _number(amount: Decimal) -> str:
    return f'"{amount:f}"'


_TEMPLATE = """\
# What this bee does is decided here, by you. Read at each start of `hive agent run`.

# The portal it works for.
url = {url}
# Shown to people; your node id is what counts.
name = {name}
# Host or address where the Hive's edge reaches what runs here.
advertise = {advertise}
# Where it stands, such as "eu-central" or "us-east": teams may ask for it. The Hive holds it against the time
# that a message takes to here and back, and shows on this node's page if it doubts it. "": not said.
region = {region}

# The most that is rented out at any time, over all runtimes together.
[rent]
threads = "{c.rent.threads:f}"
mem_gib = "{c.rent.mem_gib:f}"
storage_gib = "{c.rent.storage_gib:f}"
# NVIDIA's, with its container toolkit, each to one container at a time. 0: none.
gpus = {c.rent.gpus}
# The most that a replica may write that rents no storage of its own; one that writes more is ended.
replica_storage_gib = "{c.rent.replica_storage_gib:f}"
# When it is for rent, in this machine's local time, such as ["22:00-08:00", "sat,sun 08:00-24:00"]. A span
# that passes midnight belongs to the day on which it starts. Outside of them nothing is offered, and what
# runs is stopped. []: always.
hours = {hours}

# In GLM, after Golem's linear model. At these prices one busy thread costs {per_hour} GLM an hour.
[prices]
# "fixed": what stands here. "load": from what stands here up to peak_percent of it, as the machine fills up.
# "cost": second and cpu_second are reckoned from [prices.cost] below, so that nothing works at a loss; those
# that stand here don't count then. `hive agent quote` shows the sum.
policy = {policy}
# Once for each agreement.
start = "{c.prices.start:f}"
# Each second that something runs.
second = "{c.prices.second:f}"
# Each second of CPU time that it uses.
cpu_second = "{c.prices.cpu_second:f}"
# Each GiB that it sends.
egress_gib = "{c.prices.egress_gib:f}"
# Accept a bargain down to this part of all of it. 100: prices are firm. Policy "cost" goes down to the cost.
lowest_percent = "{c.prices.lowest_percent:f}"
# Policy "load": what is asked when everything is rented out. 200: twice as much.
peak_percent = "{c.prices.peak_percent:f}"

# What may run here, whatever the Hive asks for. Every rule that is set must be kept.
[rules]
runtimes = {runtimes}
# Patterns of image names, such as "registry.example/team/*".
images = {images}
# Only images with one of these digests, such as "sha256:9f86...", or "sha3-256:...". []: any.
# `hive agent digest IMAGE` shows those of an image on this machine.
digests = {digests}
# Only images signed with one of these keys, Ed25519 or cosign's: a file such as "cosign.pub" (in this folder
# or by its whole path), PEM or base64. []: no signature is needed.
signers = {signers}
# Only these teams, by their short names. []: every team.
teams = {teams}
# A shell for the renting team inside what it rents. Unset: only where containers, or a user of their own,
# confine it. true: always; an unconfined shell then runs as the user that runs this agent.
{console}
# Ask what the Hive rated, if that is at most this much less than your own figure; else ask your own.
rated_tolerance_percent = "{c.rules.rated_tolerance_percent:f}"

"""

_COST = """\
# What the machine costs you, for policy "cost". Money is in your own currency.
[prices.cost]
# Power drawn with nothing to do, and with every thread busy; measured at the socket.
watts_idle = {watts_idle}
watts_busy = {watts_busy}
# With one busy thread, if you know it: the first draws more than its share.
{watts_one_thread}
power_price_per_kwh = {power_price_per_kwh}
# What the machine cost, and how long it lasts. "0": it is paid for.
machine_price = {machine_price}
lifetime_years = {lifetime_years}
# How many hours of a day something runs here, as you expect it: they carry the hours in between.
hours_per_day = {hours_per_day}
# true: it would be on anyway. false: it is on for the Hive, and that power is part of the cost.
always_on = {always_on}
# What 1 GLM is worth.
glm_price = {glm_price}
currency = {currency}
# Asked on top of the cost.
margin_percent = {margin_percent}
"""

_EXAMPLE = {
    "watts_idle": '"30"',
    "watts_busy": '"95"',
    "watts_one_thread": 'watts_one_thread = "45"',
    "power_price_per_kwh": '"0.30"',
    "machine_price": '"0"',
    "lifetime_years": '"5"',
    "hours_per_day": '"8"',
    "always_on": "false",
    "glm_price": '"0.20"',
    "currency": '"EUR"',
    "margin_percent": '"20"',
}
