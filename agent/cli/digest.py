"""`hive agent digest`: what to write under rules.digests in bee.toml."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import click

from agent.cli.exits import or_exit
from agent.cli.options import home_option
from agent.config import read_config
from agent.errors import AgentError
from agent.protocol import Workload


@click.command("digest")
@click.argument("image")
@home_option
@click.option("--runtime", help="Which runtime's image it is.  [default: the first that knows it]")
def digest_command(image: str, home: Path, runtime: str | None) -> None:
    """Show every digest by which IMAGE, as it is on this machine, is known.

    Any of them may stand under rules.digests in bee.toml: then no other image runs here.
    """
    for line in or_exit(lambda: asyncio.run(_digests(image, home, runtime))):
        click.echo(line)


async def _digests(image: str, home: Path, runtime: str | None) -> list[str]:
    from agent.runtimes.base import RuntimeFault

    reasons = []
    for name in [runtime] if runtime else read_config(home).rules.runtimes:
        try:
            return await _digests_by(name, image, home)
        except RuntimeFault as fault:
            reasons.append(f"{name}: {fault}")
    raise AgentError("; ".join(reasons) or "bee.toml allows no runtime")


async def _digests_by(name: str, image: str, home: Path) -> list[str]:
    from agent.identity import load_or_make_key, node_id
    from agent.runtimes.detect import make_runtime

    runtime = make_runtime(name, home, node_id(load_or_make_key(home)))
    workload = Workload(image=image, runtime=name, cpu_threads=Decimal(1), mem_gib=Decimal(1))
    return sorted(await runtime.image_digests(workload, sha3=True))
