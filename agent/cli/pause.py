"""`hive agent pause`, `resume`, `status`: the machine is the owner's, whoever rents it."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from agent import pausing
from agent.cli.exits import or_exit
from agent.cli.options import home_option
from agent.errors import AgentError
from agent.status import Given, Standing, standing_of


@click.command("pause")
@home_option
def pause_command(home: Path) -> None:
    """Take the machine for yourself for a while.

    Within a second or two everything that runs here is frozen: it keeps its memory, gets no CPU time, and you
    are paid nothing for it. Nothing new starts, also after a restart, until `hive agent resume`. What stays
    frozen for longer than a minute the Hive places elsewhere.
    """
    changed = or_exit(lambda: pausing.pause(_joined(home)))
    click.echo("Paused. Go on with: hive agent resume" if changed else "It was paused already.")


@click.command("resume")
@home_option
def resume_command(home: Path) -> None:
    """Go on with what was paused, and take new work."""
    changed = or_exit(lambda: pausing.resume(_joined(home)))
    click.echo("It goes on." if changed else "It was not paused.")


@click.command("status")
@home_option
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status_command(home: Path, output: str) -> None:
    """What this bee is doing and what it has earned, by its own count."""
    standing = or_exit(lambda: standing_of(_joined(home)))
    click.echo(msgspec.json.encode(standing).decode() if output == "json" else _text(standing))


def _joined(home: Path) -> Path:
    if not (home / "bee.toml").exists():
        raise AgentError(f"no bee lives in {home}: join a Hive first with `hive agent join URL TOKEN`")
    return home


def _text(standing: Standing) -> str:
    since = standing.paused_since
    pause = f"since {since:%Y-%m-%d %H:%M:%S} UTC" if since else "no"
    earned = f"{standing.earned_glm.normalize() if standing.earned_glm else 0:f} GLM"
    return "\n".join(
        [
            f"{'bee':<10}{standing.name}, {standing.node_id}",
            f"{'hive':<10}{standing.url}",
            f"{'agent':<10}{'running' if standing.is_running else 'not running'}",
            f"{'paused':<10}{pause}",
            f"{'for rent':<10}{_hours(standing)}",
            f"{'earned':<10}{earned} under {standing.agreements} agreements, by this bee's own count",
            f"{'unsent':<10}{standing.unsent_reports} reports that the Hive has not confirmed",
            f"{'replicas':<10}{_count(standing.replicas, is_paused=since is not None)}",
            *(_line(each, is_paused=since is not None) for each in standing.replicas),
        ]
    )


def _hours(standing: Standing) -> str:
    changes_at = standing.for_rent_changes_at
    if changes_at is None:
        return "always" if standing.for_rent else "never"
    return f"{'now, until' if standing.for_rent else 'from'} {changes_at:%a %H:%M}"


def _count(replicas: list[Given], *, is_paused: bool) -> str:
    going = sum(each.runs for each in replicas)
    told = f"{going} {'paused' if is_paused else 'running'}"
    return told + (f", {len(replicas) - going} not running" if going < len(replicas) else "")


def _line(given: Given, *, is_paused: bool) -> str:
    state = "not running" if not given.runs else "paused" if is_paused else "running"
    lease = "" if not given.runs else f", leased for {_span(given.lease_left_s)} more"
    return f"  {given.replica}: {given.image} on {given.runtime}, {state}{lease}"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
