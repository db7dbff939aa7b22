"""What `plan` and `deploy` share: which file, under which name, and how a plan is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from hive_client.nouns import Placement, Plan
from hive_client.output import clean, glm, glm_down, print_table, short, span, when

F = TypeVar("F", bound=Callable[..., Any])

STDIN = "-"
MOST_NAMES = 4


def manifest_options(command: F) -> F:
    """`-f FILE`, `--name NAME`, `--env NAME=VALUE` and `--env-file FILE`, as parameters of these names."""
    file = click.option(
        "-f",
        "--file",
        default="compose.yaml",
        show_default=True,
        help="The Compose file; `-` is standard input.",
    )
    name = click.option("--name", help="Of the deployment; left out, the file's own `name`.")
    env = click.option(
        "--env", multiple=True, metavar="NAME[=VALUE]", help="What ${NAME} in the file stands for."
    )
    env_file = click.option(
        "--env-file", multiple=True, metavar="FILE", help="Of such values.  [default: .env beside the file]"
    )
    return file(name(env(env_file(command))))


def read_manifest(file: str) -> tuple[str, str]:
    """Its text, and the name that messages call it by."""
    try:
        if file == STDIN:
            return sys.stdin.buffer.read().decode(), "standard input"
        return Path(file).read_text(encoding="utf-8"), Path(file).name
    except FileNotFoundError:
        raise click.UsageError(f"there is no {file} here: say which file with -f") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"{file} is no text in UTF-8") from None
    except OSError as error:
        raise click.UsageError(f"{file} can't be read: {error.strerror}") from None


def show_plan(plan: Plan, *, err: bool = False) -> None:
    what = "a change of what is deployed" if plan.changes else "a new deployment"
    expires = "expires" if plan.expires_at > datetime.now(UTC) else "expired"
    click.echo(clean(f"Plan for {plan.name}, {what}; {expires} {when(plan.expires_at)}"), err=err)
    print_table(
        ("Replica", "glm/h", "glm/month", "Node"),
        [_row(placement) for placement in plan.placements],
        empty="No replicas.",
        err=err,
    )
    for risk in plan.risks:
        click.echo(clean(f"Risk: {risk.text} ({_some(risk.replicas)})"), err=err)
    for note in plan.notes:
        click.echo(clean(f"Note: {note}"), err=err)
    if len(plan.unplaced) < len(plan.placements):
        per_month = f"{glm(plan.price_per_month_glm)} per month" if plan.price_per_month_glm else "at most"
        click.echo(
            f"Together {glm(plan.price_per_hour_glm)} GLM per hour, {per_month}. {_budget(plan)}", err=err
        )
    for obstacle in obstacles(plan):
        click.secho(obstacle, bold=True, err=err)


def obstacles(plan: Plan) -> list[str]:
    """Why what the plan says would wait when it is applied now; empty when all of it would start."""
    found = []
    if plan.unplaced:
        found.append(f"{len(plan.unplaced)} of {len(plan.placements)} replicas cannot be placed now.")
    if not plan.is_affordable:
        needed, left = glm(plan.first_leases_glm), glm_down(plan.room_glm)
        who = "its cap leaves" if plan.room_glm < plan.available_glm else "the budget has"
        found.append(f"Budget too small: the first lease needs {needed} GLM, {who} {left} GLM.")
    return found


def _budget(plan: Plan) -> str:
    lasts, ends_with_cap = _lasts(plan), plan.effect is not None and plan.effect.cap_ends_first
    of_budget, of_cap = ("", lasts) if ends_with_cap else (lasts, "")
    cap = _cap(plan, of_cap)
    return f"The budget has {glm_down(plan.available_glm)} GLM{of_budget}.{cap}{_beside(plan)}"


def _lasts(plan: Plan) -> str:
    """For how long the money is enough: the budget's, or the cap's where that ends first."""
    lasts = f", enough for {span(float(plan.runway_h) * 3600)}" if plan.runway_h is not None else ""
    if lasts and plan.effect and plan.effect.lasts_until:
        lasts += f", until {plan.effect.lasts_until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return lasts


def _cap(plan: Plan, lasts: str) -> str:
    """What the deployment may take of it, where that is less than all."""
    effect = plan.effect
    if effect is None or effect.cap_glm is None or effect.cap_left_glm is None:
        return ""
    span_of = "a month" if effect.cap_per == "month" else "in all"
    left = f"{glm_down(effect.cap_left_glm)} GLM are left{lasts}"
    return f" It may take {glm(effect.cap_glm)} GLM {span_of}: {left}; then: {effect.at_end}."


def _beside(plan: Plan) -> str:
    """What the same budget pays beside the plan, if anything."""
    if plan.effect is None or plan.effect.rate_after_glm == plan.price_per_hour_glm:
        return ""
    return f" All that runs then costs {glm(plan.effect.rate_after_glm)} per hour."


def _some(replicas: list[str]) -> str:
    """The first few of them."""
    named, others = ", ".join(replicas[:MOST_NAMES]), len(replicas) - MOST_NAMES
    return f"{named} and {others} more" if others > 0 else named


def _row(placement: Placement) -> tuple[str, str, str, str]:
    price, month = glm(placement.price_per_hour_glm), glm(placement.price_per_month_glm)
    if placement.node_id is None:
        nearest = f"; nearest: {placement.nearest}" if placement.nearest else ""
        return placement.replica, price, month, f"cannot be placed: {placement.reason}{nearest}"
    node = f"{placement.node_name} {short(placement.node_id)} {placement.region}".strip()
    because = f": {'; '.join(placement.because)}" if placement.because else ""
    return placement.replica, price, month, f"{node}{because}"
