"""Settings from the environment: typed helpers that fail loudly and name the variable."""

from __future__ import annotations

import ipaddress
import os
import re
from datetime import datetime, time
from decimal import Decimal, InvalidOperation

from django.core.exceptions import ImproperlyConfigured

from apps.billing.invoicing.rates import read_rates


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def flag(name: str, default: bool = False) -> bool:
    value = os.environ.get(name, "").lower()
    if value in {"", "1", "true", "yes", "on", "0", "false", "no", "off"}:
        return default if value == "" else value in {"1", "true", "yes", "on"}
    raise ImproperlyConfigured(f'{name}: expected true or false, got "{value}"')


def number(name: str, default: float) -> float:
    value = os.environ.get(name, "")
    try:
        return float(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f'{name}: expected a number, got "{value}"') from None


def decimal(name: str, default: str) -> Decimal:
    value = os.environ.get(name) or default
    try:
        return Decimal(value)
    except InvalidOperation:
        raise ImproperlyConfigured(f'{name}: expected a decimal number, got "{value}"') from None


def clock(name: str) -> time | None:
    """A time of day, `03:30`; None when nothing is said."""
    value = os.environ.get(name, "").strip()
    try:
        return datetime.strptime(value, "%H:%M").time() if value else None
    except ValueError:
        raise ImproperlyConfigured(f'{name}: expected a time of day like 03:30, got "{value}"') from None


def choice(name: str, *options: str) -> str:
    """One of `options`; the first one when nothing is said."""
    value = os.environ.get(name) or options[0]
    if value not in options:
        raise ImproperlyConfigured(f'{name}: expected {" or ".join(options)}, got "{value}"')
    return value


def names(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return listed(os.environ.get(name, default))


def listed(text: str) -> list[str]:
    """What stands between its commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def decimal_or_none(name: str) -> Decimal | None:
    """None when nothing is said."""
    return decimal(name, "0") if os.environ.get(name) else None


def address(name: str) -> str:
    """An Ethereum address, in lower case; empty when nothing is said."""
    value = os.environ.get(name, "").strip().lower()
    if value and not re.fullmatch("0x[0-9a-f]{40}", value):
        raise ImproperlyConfigured(f'{name}: expected an address, 0x and 40 hex digits, got "{value}"')
    return value


def percents(name: str) -> list[tuple[str, Decimal]]:
    """A comma-separated list of `<name>=<percent>`, as taxes are set."""
    found = []
    for part in names(name):
        what, equals, percent = part.rpartition("=")
        if not equals:
            raise ImproperlyConfigured(f'{name}: expected a name and a percentage, VAT=19, got "{part}"')
        found.append((what.strip(), percent.strip()))
    try:
        return read_rates(found)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None


def networks(name: str) -> list[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]]:
    """A comma-separated list of `<network>` or `<whose>=<network>`; whose is empty for the former."""
    found = []
    for part in names(name):
        whose, _, network = part.rpartition("=")
        try:
            found.append((whose.strip().lower(), ipaddress.ip_network(network.strip())))
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: expected a network such as 10.0.0.0/24, {error}") from None
    return found
