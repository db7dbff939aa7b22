"""A group of commands that, named alone, shows what there is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def listing_group(
    *, epilog: str, subcommand_metavar: str = "[COMMAND]"
) -> Callable[[Callable[..., None]], click.Group]:
    """A group that calls the function where no command of it is named; its options are the function's."""

    def group(show: Callable[..., None]) -> click.Group:
        @click.pass_context
        @wraps(show)
        def begin(context: click.Context, **options: Any) -> None:
            if not context.invoked_subcommand:
                show(**options)

        made = click.group(epilog=epilog, invoke_without_command=True, subcommand_metavar=subcommand_metavar)
        return made(begin)

    return group
