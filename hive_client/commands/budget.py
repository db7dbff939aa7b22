"""`hive budget`: what there is, what each deployment may take of it, and what becomes of it at the end."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import click

from hive_client.commands.amounts import Amount
from hive_client.commands.listing import listing_group
from hive_client.connection import connect
from hive_client.errors import HiveError
from hive_client.examples import examples
from hive_client.nouns import Budget, Deployment
from hive_client.output import JSON, glm, glm_down, output_option, print_json, print_table, when

BUDGETS = ("Budget", "glm available", "held", "spent", "owed", "credit", "At the end", "Lasts")
CAPS = ("Deployment", "Money", "glm used", "glm at most", "Per", "At the end", "Until", "Why")
ENDS = click.Choice(["stop", "scale-down", "ask"])
EXAMPLES = examples("hive budget", "hive budget cap hello 50 --per month", "hive budget at-end scale-down")


@listing_group(epilog=EXAMPLES, subcommand_metavar="[cap | at-end]")
@output_option
def budget(output: str) -> None:
    """Show your team's budgets, and what each deployment has taken of them."""
    hive = connect()
    budgets, deployments = list(hive.budgets()), list(hive.deployments)
    if output == JSON:
        print_json({"budgets": budgets, "caps": {each.name: each.cap for each in deployments}})
        return
    print_table(BUDGETS, [_budget(row) for row in budgets], empty="No budget yet: prove a wallet first.")
    if deployments:
        click.echo()
        print_table(CAPS, [_cap(row) for row in deployments], empty="")


@budget.command(
    epilog=examples(
        "hive budget cap hello 50",
        "hive budget cap hello 50 --per month --at-end stop",
        "hive budget cap hello --none",
    )
)
@click.argument("name")
@click.argument("limit_glm", metavar="[GLM]", type=Amount(), required=False)
@click.option("--per", type=click.Choice(["in all", "month"]), help="For how long the limit is.")
@click.option("--at-end", type=click.Choice(["stop", "scale-down", "ask", "as-budget"]), help="Of this one.")
@click.option("--none", "no_limit", is_flag=True, help="Take the limit away.")
@output_option
def cap(
    name: str, limit_glm: Decimal | None, per: str | None, at_end: str | None, no_limit: bool, output: str
) -> None:
    """Say what the deployment NAME may take of its budget at most. What is not said stays as it is."""
    if no_limit and limit_glm is not None:
        raise click.UsageError("give either an amount of GLM or --none")
    said: dict[str, Any] = {"per": per, "at_end": "" if at_end == "as-budget" else at_end}
    changes = {key: value for key, value in said.items() if value is not None}
    if no_limit or limit_glm is not None:
        changes["limit_glm"] = limit_glm
    if not changes:
        raise click.UsageError("say what to change: GLM, --none, --per or --at-end")
    changed = connect().deployments.budget(name, **changes)
    print_json(changed.cap) if output == JSON else print_table(CAPS, [_cap(changed)], empty="")


@budget.command("at-end", epilog=examples("hive budget at-end stop", "hive budget at-end ask --budget 7"))
@click.argument("choice", metavar="[stop|scale-down|ask]", type=ENDS)
@click.option("--budget", "budget_id", type=int, help="Which, where there are several.")
@output_option
def at_end(choice: str, budget_id: int | None, output: str) -> None:
    """Choose what becomes of what runs when the budget's money ends. For owners."""
    hive = connect()
    found = [each for each in hive.budgets() if budget_id in (None, each.id)]
    if len(found) != 1:
        ids = ", ".join(f"{each.id} ({each.team}/{each.name})" for each in hive.budgets())
        raise HiveError(f"say which budget with --budget: {ids or 'there is none yet'}", code="which_budget")
    changed = hive.choose_end(found[0].id, choice)
    print_json(changed) if output == JSON else print_table(BUDGETS, [_budget(changed)], empty="")


def _budget(row: Budget) -> tuple[str, ...]:
    return (
        f"{row.team}/{row.name}",
        glm_down(row.available_glm),
        glm(row.held_glm),
        glm(row.spent_glm),
        glm(row.owed_glm),
        glm(row.credit_limit_glm),
        row.at_end,
        row.runway.in_words if row.runway else "",
    )


def _cap(row: Deployment) -> tuple[str, ...]:
    cap = row.cap
    if cap is None:
        return (row.name, "-", "-", "-", "-", "-", "-", "")
    is_short = cap.state in {"asked", "ending"}
    return (
        row.name,
        cap.state,
        glm(cap.used_glm),
        glm(cap.limit_glm),
        cap.per if cap.limit_glm is not None else "-",
        cap.at_end,
        when(cap.deadline_at) if is_short else "-",
        row.reason if is_short else cap.reason,
    )
