"""`hive agent benchmark`: what this machine can do, as the Bee tells the Hive once a day."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from agent.cli.exits import or_exit
from agent.cli.options import home_option
from agent.errors import AgentError
from agent.measuring import measure_machine

WORDS = {
    "cpu_single": "CPU units, one thread",
    "cpu_all": "CPU units, all threads",
    "mem_gib_s": "GiB/s copied in memory",
    "disk_write_mib_s": "MiB/s written to disk",
    "disk_read_mib_s": "MiB/s read from disk",
}


@click.command("benchmark")
@home_option
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def benchmark_command(home: Path, output: str) -> None:
    """Measure this machine now; it takes three seconds. Nothing is sent.

    A running bee does the same by itself soon after it joined and then once a day, while nothing runs on it;
    this measures whatever runs, which makes the figures lower. A CPU unit is one MiB a second, deflated and
    hashed. 0 stands for what could not be measured.
    """
    figures = or_exit(lambda: _figures(home))
    click.echo(json.dumps(figures) if output == "json" else _text(figures))


def _figures(home: Path) -> dict[str, float]:
    if not home.is_dir():
        raise AgentError(
            f"{home} is no folder: join a Hive first, or name one on the disk to measure with --home"
        )
    figures = asyncio.run(measure_machine(home))
    if not figures:
        raise AgentError("nothing could be measured: the log above says why")
    return figures


def _text(figures: dict[str, float]) -> str:
    return "\n".join(f"{figures[name]:>10,.1f}  {words}" for name, words in WORDS.items())
