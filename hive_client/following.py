"""What `deploy`, `scale`, `start` and `stop` share: to wait or not, and what to say in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hive_client.errors import HiveError
from hive_client.nouns import Deployment
from hive_client.output import JSON, clean, print_json
from hive_client.progress import Progress
from hive_client.sdk import Hive
from hive_client.waiting import WAIT_S

F = TypeVar("F", bound=Callable[..., Any])


def wait_options(command: F) -> F:
    """`--wait/--no-wait` and `--timeout`, as the parameters `wait` and `timeout`."""
    wait = click.option(
        "--wait/--no-wait", default=True, show_default=True, help="Follow it until it is done."
    )
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=WAIT_S,
        show_default=True,
        help="Seconds to follow it.",
    )
    return wait(timeout(command))


def finish(hive: Hive, deployment: Deployment, *, wait: bool, timeout: float, output: str) -> None:
    """Follow it if asked, and print what became of it. Ctrl-C ends the following, not the deployment."""
    if wait:
        deployment = _followed(hive, deployment, timeout=timeout, output=output)
    if output == JSON:
        print_json(deployment)
    else:
        click.echo(clean(f"{deployment.name} is {deployment.status}.{_addresses(deployment)}"))


def _followed(hive: Hive, deployment: Deployment, *, timeout: float, output: str) -> Deployment:
    """As it is in the end. When that is not what was wanted, JSON still tells how it was seen last."""
    looks = [deployment]
    try:
        with Progress(hive) as progress:

            def see(look: Deployment) -> None:
                looks.append(look)
                progress(look)

            return hive.wait(deployment, timeout_s=timeout, seen=see)
    except HiveError:
        if output == JSON:
            print_json(looks[-1])
        raise
    except KeyboardInterrupt:
        click.echo(f"\nNo longer followed; it goes on. See: hive ps {deployment.name}", err=True)
        raise click.exceptions.Exit(130) from None


def _addresses(deployment: Deployment) -> str:
    return f" It answers at {', '.join(deployment.answers_at)}" if deployment.answers_at else ""
