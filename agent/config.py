"""`bee.toml`: what the owner decides. Written by `hive agent join`, read by `hive agent run`."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec

from agent.bee_toml import render
from agent.config_faults import in_words
from agent.errors import AgentError
from agent.protocol import RUNTIMES as RUNTIMES
from agent.protocol import Price, round_glm
from agent.rules.digests import read_digest
from agent.rules.hours import Span, read_span

_LEAST, _MOST = Decimal("1e-9"), Decimal("1e9")
"""Of a figure in bee.toml, so that sums of them have a place for every digit; zero may stand where it can."""
_MOST_GLM = 1_000_000
REGION = re.compile(r"[a-z0-9-]{0,40}")


def _not_negative(struct: msgspec.Struct, *names: str) -> None:
    for name in names:
        value = getattr(struct, name)
        if not value.is_finite() or not 0 <= value <= _MOST:
            raise ValueError(f"{name}: expected a number from 0 up, got {value}")


def _above_zero(struct: msgspec.Struct, *names: str) -> None:
    for name in names:
        value = getattr(struct, name)
        if not value.is_finite() or not _LEAST <= value <= _MOST:
            raise ValueError(f"{name}: expected a number above 0, got {value}")


def _an_amount(struct: msgspec.Struct, *names: str) -> None:
    """Of GLM: what the Hive takes in an offer, to the last digit."""
    _not_negative(struct, *names)
    for name in names:
        if (value := getattr(struct, name)) > _MOST_GLM:
            raise ValueError(f"{name}: expected at most {_MOST_GLM} GLM, got {value}")
        if value != round_glm(value):
            raise ValueError(f"{name}: expected at most 18 digits after the point, got {value}")


class Rent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of the machine is for rent, over all runtimes together, and when."""

    threads: Decimal
    mem_gib: Decimal
    storage_gib: Decimal = Decimal(10)
    replica_storage_gib: Decimal = Decimal(10)
    """The most that one replica may write."""
    gpus: int = 0
    hours: tuple[str, ...] = ()
    """Spans of local time, as `rules.hours` reads them; none at all means always."""

    def __post_init__(self) -> None:
        _not_negative(self, "threads", "mem_gib", "storage_gib", "replica_storage_gib")
        if not 0 <= self.gpus <= 1024:
            raise ValueError(f"gpus: expected a whole number from 0 to 1024, got {self.gpus}")
        _ = self.spans

    @property
    def spans(self) -> tuple[Span, ...]:
        return tuple(read_span(text) for text in self.hours)


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the machine costs its owner: `pricing.py` makes prices of it. Money is in the owner's currency."""

    watts_idle: Decimal
    watts_busy: Decimal
    power_price_per_kwh: Decimal
    glm_price: Decimal
    """What one GLM is worth."""
    watts_one_thread: Decimal | None = None
    """With one busy thread. The first one draws more than its share of `watts_busy`."""
    machine_price: Decimal = Decimal(0)
    lifetime_years: Decimal = Decimal(5)
    hours_per_day: Decimal = Decimal(8)
    """How long something runs here on an average day: these hours carry the others."""
    always_on: bool = False
    """It would be on anyway: being on costs nothing extra."""
    margin_percent: Decimal = Decimal(20)
    currency: str = "EUR"

    def __post_init__(self) -> None:
        _not_negative(
            self, "watts_idle", "watts_busy", "power_price_per_kwh", "machine_price", "margin_percent"
        )
        _above_zero(self, "glm_price", "lifetime_years", "hours_per_day")
        if self.hours_per_day > 24:
            raise ValueError("hours_per_day: a day has 24")
        steps = [self.watts_idle, self.watts_one_thread or self.watts_idle, self.watts_busy]
        if steps != sorted(steps):
            raise ValueError("expected watts_idle <= watts_one_thread <= watts_busy")


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the owner asks, in GLM, and how far down a bargain may go; `pricing.py` applies the policy."""

    start: Decimal = Decimal(0)
    second: Decimal = Decimal("0.000001")
    cpu_second: Decimal = Decimal("0.000002")
    egress_gib: Decimal = Decimal(0)
    lowest_percent: Decimal = Decimal(100)
    policy: Literal["fixed", "load", "cost"] = "fixed"
    peak_percent: Decimal = Decimal(200)
    """Policy load: what is asked of the last free part, in per cent of what is asked of the first."""
    cost: Costs | None = None

    def __post_init__(self) -> None:
        _an_amount(self, "start", "second", "cpu_second", "egress_gib")
        _not_negative(self, "lowest_percent", "peak_percent")
        if self.lowest_percent > 100:
            raise ValueError("lowest_percent: expected from 0 to 100")
        if self.policy == "load" and self.peak_percent < 100:
            raise ValueError("peak_percent: expected 100 or more, since prices rise with the load")
        if self.policy == "cost" and self.cost is None:
            raise ValueError('policy "cost" needs the figures in [prices.cost]')

    @property
    def asked(self) -> Price:
        """As it is written down, before the policy."""
        return Price(
            start_glm=self.start,
            second_glm=self.second,
            cpu_second_glm=self.cpu_second,
            egress_gib_glm=self.egress_gib,
        )

    @property
    def lowest(self) -> Price:
        """The least the owner takes: every part of the asked price, `lowest_percent` of it."""
        return scaled(self.asked, self.lowest_percent / 100)


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may run here, whatever the Queen says; `rules/judge.py` applies it."""

    runtimes: tuple[str, ...] = RUNTIMES
    images: tuple[str, ...] = ("*",)
    digests: tuple[str, ...] = ()
    """As `rules.digests` reads them; none at all means any image."""
    signers: tuple[str, ...] = ()
    """Keys as `rules.signers` reads them; none at all means that images need no signature."""
    teams: tuple[str, ...] = ()
    """Short names; none at all means every team."""
    console: bool | None = None
    rated_tolerance_percent: Decimal = Decimal(5)

    def __post_init__(self) -> None:
        _not_negative(self, "rated_tolerance_percent")
        if self.rated_tolerance_percent >= 100:
            raise ValueError("rated_tolerance_percent: expected below 100")
        for each in self.digests:
            read_digest(each)

    def allows_image(self, image: str) -> bool:
        return any(fnmatchcase(image, pattern) for pattern in self.images)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    name: str
    advertise: str
    rent: Rent
    region: str = ""
    """Where the machine is, by a code of the Hive's, such as eu-central; "": not said."""
    prices: Prices = Prices()
    rules: Rules = Rules()

    def __post_init__(self) -> None:
        if not REGION.fullmatch(self.region):
            raise ValueError(
                f"region: expected a code in lower case such as eu-central, got {self.region[:60]!r}"
            )

    @property
    def socket_url(self) -> str:
        """`ws://` or `wss://` address of the Queen, without a trailing slash."""
        return "ws" + self.url.rstrip("/").removeprefix("http")


def scaled(price: Price, share: Decimal) -> Price:
    """Every part of it, rounded as money is."""
    return Price(
        start_glm=round_glm(price.start_glm * share),
        second_glm=round_glm(price.second_glm * share),
        cpu_second_glm=round_glm(price.cpu_second_glm * share),
        egress_gib_glm=round_glm(price.egress_gib_glm * share),
    )


def read_config(home: Path) -> Config:
    """Raises AgentError that names the file and the key which is wrong."""
    path = home / "bee.toml"
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), Config, strict=False)
    except FileNotFoundError:
        raise AgentError(f"{path} is missing: join a Hive first with `hive agent join URL TOKEN`") from None
    except msgspec.ValidationError as error:
        raise AgentError(f"{path}: {in_words(error, Config)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AgentError(f"{path}: {error}") from None
    except OSError as error:
        raise AgentError(f"{path} can't be read ({error.strerror})") from None


def write_config(home: Path, config: Config) -> Path:
    path = home / "bee.toml"
    path.write_text(render(config))
    return path
