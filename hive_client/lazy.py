"""A click group that imports a command only when it is used, and puts errors of the Hive into one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

import click

from hive_client.errors import HiveError
from hive_client.exits import exit_for
from hive_client.output import clean

OURS = frozenset({"hive_client", "hive_portal", "apps", "agent"})


@dataclass(frozen=True)
class Lazy:
    """`target` is `module:attribute`; `extra` what must be installed with golem-hive for it to work."""

    target: str
    help: str
    extra: str = ""
    needs: str = ""
    """What the extra brings, in a word for people: server, agent."""

    def load(self, name: str) -> click.Command:
        module, _, attribute = self.target.partition(":")
        try:
            command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            self._explain(name, error)
        assert isinstance(command, click.Command)
        return command

    def _explain(self, name: str, error: ModuleNotFoundError) -> NoReturn:
        """A missing dependency is the user's to install; a missing module of ours is a bug, and stays one."""
        if not self.extra or (error.name or "").partition(".")[0] in OURS:
            raise error
        raise click.ClickException(
            f"hive {name} needs the {self.needs}: pip install 'golem-hive[{self.extra}]'"
        ) from None


class Refusal(click.ClickException):
    """An error of the Hive, with its exit status."""

    def __init__(self, error: HiveError) -> None:
        super().__init__(clean(error.message))
        self.exit_code = int(exit_for(error))  # type: ignore[misc]  # click's own way
        self._lines = [clean(problem.message) for problem in error.problems] or [self.message]

    def show(self, file: Any = None) -> None:
        for line in self._lines:
            click.echo(f"Error: {line}", file=file, err=True)


class LazyGroup(click.Group):
    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = self._lazy.get(cmd_name)
        return lazy.load(cmd_name) if lazy else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table alone: listing the commands imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self._lazy.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HiveError as error:
            raise Refusal(error) from None
