"""What the commands of `hive agent` take alike."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from agent.config import REGION
from agent.rules.hours import read_span

HOME_VARIABLE = "HIVE_BEE_HOME"
DEFAULT_HOME = "~/.hive-bee"


class _PortalUrl(click.ParamType):
    """Where a Hive's portal is, without the slash at the end."""

    name = "URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not str(value).startswith(("http://", "https://")):
            self.fail(f"{value!r}: expected http:// or https:// and the portal's host", param, ctx)
        return str(value).rstrip("/")


class _Amount(click.ParamType):
    """A decimal number that is not negative; never a float."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            amount = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not amount.is_finite() or amount < 0:
            self.fail(f"{value} is not a number from 0 up", param, ctx)
        return amount


class _Hours(click.ParamType):
    """A span of the owner's local time."""

    name = "SPAN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            read_span(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class _Region(click.ParamType):
    """A code such as eu-central."""

    name = "CODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not REGION.fullmatch(value):
            self.fail(f"{value!r}: expected a code in lower case such as eu-central", param, ctx)
        return str(value)


AMOUNT, HOURS, PORTAL_URL, REGION_CODE = _Amount(), _Hours(), _PortalUrl(), _Region()

home_option = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_HOME,
    envvar=HOME_VARIABLE,
    show_default=True,
    show_envvar=True,
    callback=lambda ctx, param, value: value.expanduser().absolute(),
    help="Folder of the bee: its key, its rules, its images, its journal.",
)
