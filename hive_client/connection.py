"""From the saved login to a Hive, for the commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from hive_client.config import Login, load_login
from hive_client.errors import HiveError
from hive_client.sdk import Hive

T = TypeVar("T")
Opener = Callable[[Login], Hive]
"""The tests' way in: handed to click as `obj`, it replaces the network."""


def open_hive(login: Login) -> Hive:
    """Closed when the command ends."""
    context = click.get_current_context()
    opener: Opener = context.obj or (lambda login: Hive(login.url, login.token))
    return context.with_resource(opener(login))


def connect() -> Hive:
    """The Hive the user is logged in to. Raises `HiveError` (exit status 3) when there is no token."""
    login = load_login()
    if not login.token:
        raise HiveError(
            f"not logged in to {login.url}: run `hive login {login.url}`, or set HIVE_TOKEN",
            code="login",
            status=401,
        )
    return open_hive(login)
