"""`hive demo`: the whole flow on this machine, in front of whoever watches."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import django

from hive_client import HiveError
from hive_portal.demo.login import LOGIN, PASSWORD
from hive_portal.demo.pace import PACE
from hive_portal.demo.telling import console, print_receipt, step
from hive_portal.demo.waiting import DemoFailed
from hive_portal.serve import PORT, Hive, end_on_signals, stop_in_peace, wait_for_end
from hive_portal.stack import HiveHome, StackError

if TYPE_CHECKING:
    from hive_portal.demo.story import Story


@click.command("demo")
@click.option(
    "--exit", "leaves", is_flag=True, help="End after the receipt; exit status 0 only if all of it holds."
)
@click.option(
    "--json", "receipt_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the receipt here."
)
@click.option("--port", type=PORT, default=8000, show_default=True, help="Where the portal listens.")
@click.option("--edge-port", type=PORT, default=8080, show_default=True, help="Where the edge listens.")
@click.option("--home", type=click.Path(path_type=Path), help="Folder of all data; HIVE_HOME, else .hive.")
def demo_command(
    leaves: bool, receipt_file: Path | None, port: int, edge_port: int, home: Path | None
) -> None:
    """Show the whole Hive at work: from a Compose file to a settled payment.

    Needs nothing but this folder: databases, edge, chain and three Bees run on loopback. Replicas are
    containers where a Docker engine answers, native processes elsewhere. Ctrl-C stops everything.
    """
    end_on_signals()
    holds = False
    try:
        if receipt_file:
            _refuse_unwritable(receipt_file)
        hive = Hive(HiveHome(home), port=port, edge_port=edge_port, environ=PACE, say=console.print)
        with _running(hive) as story:
            holds = _tell(story, receipt_file)
            if not leaves:
                _show_around(hive, story)
                wait_for_end()
    except (StackError, DemoFailed, HiveError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        console.print("\nEverything has been stopped.")
    sys.exit(0 if holds else 1)


@contextmanager
def _running(hive: Hive) -> Iterator[Story]:
    """A story to tell on running servers; all of it is stopped at the end, the Bees first."""
    at_the_end = ExitStack()
    try:
        at_the_end.callback(hive.stop)
        with step("PostgreSQL, Redis, Envoy and the development chain start"):
            hive.start_servers()
        with step("Portal and workers start"):
            hive.start_portal()
        os.environ.update(hive.env)
        django.setup()
        # The steps are the story; what the portal's own processes say is in their logs.
        logging.getLogger("hive").setLevel(logging.WARNING)
        # Only now: models can't be imported before Django is set up, nor that before its servers are known.
        from hive_portal.demo.story import Story

        story = Story(hive.home, hive.portal_url, hive.edge_url)
        at_the_end.callback(story.end)
        yield story
    finally:
        stop_in_peace()
        at_the_end.close()


def _tell(story: Story, receipt_file: Path | None) -> bool:
    story.tell()
    print_receipt(story.receipt)
    if receipt_file:
        story.receipt.write(receipt_file)
    complaints = story.receipt.complaints()
    for complaint in complaints:
        console.print(f"[red]✗[/] {complaint}")
    return not complaints


def _show_around(hive: Hive, story: Story) -> None:
    console.print()
    for name, address in hive.urls.items():
        console.print(f"  [bold]{name:<8}[/]{address}")
    console.print(f"  [bold]{'hello':<8}[/]{story.receipt.deployment['url']}")
    console.print(f"  [bold]{'login':<8}[/]{LOGIN} / {PASSWORD}")
    console.print(f"  [bold]{'token':<8}[/]{story.cast.token}", soft_wrap=True)
    console.print("\nCtrl-C stops everything.")


def _refuse_unwritable(receipt_file: Path) -> None:
    try:
        receipt_file.touch()
    except OSError as error:
        raise click.BadParameter(
            f"{receipt_file} can't be written ({error.strerror})", param_hint="--json"
        ) from error
