"""`hive plan`: draw one up, list them, and show one beside what was really paid."""

from __future__ import annotations

from itertools import islice

import click

from hive_client.commands.listing import listing_group
from hive_client.connection import connect
from hive_client.errors import HiveError
from hive_client.examples import examples
from hive_client.manifests import manifest_options, read_manifest, show_plan
from hive_client.nouns import PlanPaid, PlanRow, ReplicaPaid, WholePlan
from hive_client.output import (
    JSON,
    clean,
    glm,
    output_option,
    print_json,
    print_rows,
    print_table,
    span,
    when,
)
from hive_client.variables import read_variables
from hive_client.verifying import faults_of

PLANS = ("Plan", "For", "glm/h", "replicas", "Drawn up", "Applied")
PAID = ("Replica", "glm/h planned", "glm/h agreed", "ran", "glm planned", "glm paid", "Nodes")
EXAMPLES = examples(
    "hive plan -f compose.yaml",
    "cat compose.yaml | hive plan -f - -o json",
    "hive plan ls",
    "hive plan show 8b6b3c3e-2f2d-4c62-9a53-3f4c5d6e7f80 --verify",
)


@listing_group(epilog=EXAMPLES, subcommand_metavar="[ls | show PLAN]")
@manifest_options
@output_option
def plan(
    file: str,
    name: str | None,
    env: tuple[str, ...],
    env_file: tuple[str, ...],
    output: str,
) -> None:
    """Show what a Compose file would place where, at which price. Changes nothing.

    Faults of the file are printed one a line, with place and line number; the exit status is then 5.
    """
    source, file_name = read_manifest(file)
    variables = read_variables(file, env=env, env_files=env_file)
    drawn_up = connect().plan(source, name=name, file_name=file_name, variables=variables)
    if output == JSON:
        print_json(drawn_up)
    else:
        show_plan(drawn_up)
        click.echo(f"hive plan show {drawn_up.id} shows it again.")


@plan.command("ls", epilog=examples("hive plan ls", "hive plan ls --all -o json"))
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="So many at most.")
@click.option("--all", "everything", is_flag=True, help="As many as there are.")
@output_option
def list_plans(limit: int, everything: bool, output: str) -> None:
    """List the plans of your team, newest first."""
    plans = iter(connect().plans)
    found = list(plans if everything else islice(plans, limit))
    print_rows(found, output, columns=PLANS, row=_row, empty="Nothing was planned yet.")
    if output != JSON and next(plans, None) is not None:
        click.echo(f"These are the newest {limit}; --all lists all.", err=True)


@plan.command(epilog=examples("hive plan show 8b6b3c3e-2f2d-4c62-9a53-3f4c5d6e7f80 --verify"))
@click.argument("plan_id", metavar="PLAN")
@click.option("--verify", is_flag=True, help="Check here that it says what the Hive signed.")
@output_option
def show(plan_id: str, verify: bool, output: str) -> None:
    """Show a PLAN again; once it was applied, beside what was really agreed and paid.

    With --verify the exit status is 1 when the plan is not what was signed.
    """
    hive = connect()
    found = hive.plans.get(plan_id)
    paid = hive.plans.paid(plan_id) if found.applied_at and found.deployment else None
    if output == JSON:
        print_json({"plan": found, "actual": paid})
    else:
        show_plan(found)
        if paid is not None:
            _show_paid(paid)
    if verify:
        _verify(found)


def _verify(plan: WholePlan) -> None:
    try:
        faults = faults_of(plan)
    except ModuleNotFoundError:
        raise click.ClickException("--verify needs the agent: pip install 'golem-hive[agent]'") from None
    if faults or plan.proof is None:
        raise HiveError("\n".join(faults), code="not_as_signed")
    click.echo(f"All of it is what {plan.proof.signer} signed.", err=True)


def _row(plan: PlanRow) -> tuple[str, ...]:
    price, applied = glm(plan.price_per_hour_glm), when(plan.applied_at) if plan.applied_at else "no"
    return plan.id, plan.name, price, str(plan.replicas), when(plan.created_at), applied


def _show_paid(paid: PlanPaid) -> None:
    until = f", until the next plan {when(paid.until)}" if paid.until else ""
    click.echo(f"Applied {when(paid.since)}{until}. What it said, and what was paid:")
    print_table(PAID, [_replica(row) for row in paid.replicas], empty="It had no replicas.")
    click.echo(f"Paid {glm(paid.paid_glm)} GLM so far; the plan said {glm(paid.planned_glm)} at most.")


def _replica(row: ReplicaPaid) -> tuple[str, ...]:
    prices = glm(row.planned_price_per_hour_glm), glm(row.agreed_price_per_hour_glm)
    nodes = ", ".join(clean(agreed.node_name) for agreed in row.agreements)
    return (
        row.replica,
        *prices,
        span(row.ran_ms / 1000),
        glm(row.planned_glm),
        glm(row.paid_glm),
        nodes or "none yet",
    )
