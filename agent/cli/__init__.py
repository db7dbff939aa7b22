"""`hive agent`: join a Hive with one command, then run."""

from __future__ import annotations

import click

from agent.cli.benchmark import benchmark_command
from agent.cli.digest import digest_command
from agent.cli.install import install_command, uninstall_command
from agent.cli.join import join
from agent.cli.pause import pause_command, resume_command, status_command
from agent.cli.quote import quote_command
from agent.cli.run import run


@click.group("agent")
def agent_group() -> None:
    """Rent out this machine: be a bee.

    \b
    Exit status: 0 well, 1 something must be put right, 2 wrong usage, 3 refused by
    the Hive for good (token used or expired, banned, replaced), 7 no Hive answers.
    """


COMMANDS = (
    join,
    run,
    install_command,
    uninstall_command,
    pause_command,
    resume_command,
    status_command,
    quote_command,
    digest_command,
    benchmark_command,
)
for command in COMMANDS:
    agent_group.add_command(command)
