"""`bee.toml`: what the owner decides. Written by `hive agent join`, read by `hive agent run`."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from agent.errors import AgentError
from agent.protocol import Price, round_glm

RUNTIMES = ("docker", "process")


class Rent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of the machine is for rent, over all runtimes together."""

    threads: Decimal
    mem_gib: Decimal
    storage_gib: Decimal = Decimal(10)


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the owner asks, in GLM, and how far down a bargain may go."""

    start: Decimal = Decimal(0)
    second: Decimal = Decimal("0.000001")
    cpu_second: Decimal = Decimal("0.000002")
    egress_gib: Decimal = Decimal(0)
    lowest_percent: Decimal = Decimal(100)

    @property
    def asked(self) -> Price:
        return Price(
            start_glm=self.start,
            second_glm=self.second,
            cpu_second_glm=self.cpu_second,
            egress_gib_glm=self.egress_gib,
        )

    @property
    def lowest(self) -> Price:
        """The least the owner takes: every part of the asked price, `lowest_percent` of it."""
        share = self.lowest_percent / 100
        return Price(
            start_glm=round_glm(self.start * share),
            second_glm=round_glm(self.second * share),
            cpu_second_glm=round_glm(self.cpu_second * share),
            egress_gib_glm=round_glm(self.egress_gib * share),
        )


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may run here, whatever the Queen says."""

    runtimes: tuple[str, ...] = RUNTIMES
    images: tuple[str, ...] = ("*",)
    console: bool | None = None
    rated_tolerance_percent: Decimal = Decimal(5)

    def allows_image(self, image: str) -> bool:
        return any(fnmatchcase(image, pattern) for pattern in self.images)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    name: str
    advertise: str
    rent: Rent
    prices: Prices = Prices()
    rules: Rules = Rules()

    @property
    def socket_url(self) -> str:
        """`ws://` or `wss://` address of the Queen, without a trailing slash."""
        return "ws" + self.url.rstrip("/").removeprefix("http")


def read_config(home: Path) -> Config:
    """Raises AgentError that names the file and the key which is wrong."""
    path = home / "bee.toml"
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), Config, strict=False)
    except FileNotFoundError:
        raise AgentError(f"{path} is missing: join a Hive first with `hive agent join URL TOKEN`") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise AgentError(f"{path}: {error}") from None


def write_config(home: Path, config: Config) -> Path:
    path = home / "bee.toml"
    path.write_text(_TEMPLATE.format(**_quoted(config)))
    return path


def _quoted(config: Config) -> dict[str, Any]:
    per_hour = config.prices.asked.per_hour_glm(Decimal(1))
    console = "" if config.rules.console is None else f"console = {json.dumps(config.rules.console)}"
    return {
        "c": config,
        "url": json.dumps(config.url),
        "name": json.dumps(config.name, ensure_ascii=False),
        "advertise": json.dumps(config.advertise),
        "runtimes": json.dumps(config.rules.runtimes),
        "images": json.dumps(config.rules.images),
        "console": console or "# console = true",
        "per_hour": f"{per_hour.normalize() if per_hour else 0:f}",
    }


_TEMPLATE = """\
# What this bee does is decided here, by you. Read at each start of `hive agent run`.

# The portal it works for.
url = {url}
# Shown to people; your node id is what counts.
name = {name}
# Host or address where the Hive's edge reaches what runs here.
advertise = {advertise}

# The most that is rented out at any time, over all runtimes together.
[rent]
threads = "{c.rent.threads:f}"
mem_gib = "{c.rent.mem_gib:f}"
storage_gib = "{c.rent.storage_gib:f}"

# In GLM, after Golem's linear model. At these prices one busy thread costs {per_hour} GLM an hour.
[prices]
# Once for each agreement.
start = "{c.prices.start:f}"
# Each second that something runs.
second = "{c.prices.second:f}"
# Each second of CPU time that it uses.
cpu_second = "{c.prices.cpu_second:f}"
# Each GiB that it sends.
egress_gib = "{c.prices.egress_gib:f}"
# Accept a bargain down to this part of all of it. 100: prices are firm.
lowest_percent = "{c.prices.lowest_percent:f}"

# What may run here, whatever the Hive asks for.
[rules]
runtimes = {runtimes}
# Patterns of image names, such as "registry.example/team/*".
images = {images}
# A shell for the renting team inside what it rents. Unset: only where containers, or a user of their own,
# confine it. true: always; an unconfined shell then runs as the user that runs this agent.
{console}
# Ask what the Hive rated, if that is at most this much less than your own figure; else ask your own.
rated_tolerance_percent = "{c.rules.rated_tolerance_percent:f}"
"""
