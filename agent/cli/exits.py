"""How a command of `hive agent` ends: one line to standard error and the exit status that scripts rely on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

import click

from agent.errors import AgentError

T = TypeVar("T")


def or_exit(work: Callable[[], T]) -> T:
    """Its result; an AgentError ends the program with its own exit status, Ctrl-C with 130."""
    try:
        return work()
    except AgentError as error:
        fail(error)
    except KeyboardInterrupt:
        sys.exit(130)


def fail(error: AgentError) -> NoReturn:
    click.echo(f"hive agent: {error}", err=True)
    sys.exit(error.exit_code)
