"""Addresses of wallets and keys as arguments."""

from __future__ import annotations

import re
from typing import Any

import click

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class Address(click.ParamType):
    """In lower case."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _ADDRESS.fullmatch(value):
            self.fail(f"expected an address, 0x and 40 hexadecimal digits, got {value!r}", param, ctx)
        return str(value).lower()
