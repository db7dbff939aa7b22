"""`hive status`: one deployment at a glance, its money included."""

from __future__ import annotations

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns import Cap, Deployment
from hive_client.output import JSON, clean, glm, output_option, print_json, when


@click.command(epilog=examples("hive status hello", "hive status hello -o json"))
@click.argument("name")
@output_option
def status(name: str, output: str) -> None:
    """Show how the deployment NAME stands: what runs, what it costs, what its money allows."""
    hive = connect()
    found = hive.deployments.get(name)
    if output == JSON:
        print_json(found)
        return
    lasts = next((each.runway for each in hive.budgets() if each.id == found.budget), None)
    for line in [*_lines(found), *([f"  its budget {lasts.in_words}"] if lasts else [])]:
        click.echo(clean(line))


def _lines(row: Deployment) -> list[str]:
    lines = [f"{row.name}: {row.status}{row.reason and f', {row.reason}'}"]
    for service in row.services:
        healthy = f"{service.replicas_healthy} of {service.replicas_wanted} healthy"
        lines.append(f"  {service.name}: {healthy}{(service.url and f', {service.url}') or ''}")
    lines.append(f"  costs {glm(row.price_per_hour_glm)} GLM per hour at most")
    return [*lines, *(_money(row.cap) if row.cap else [])]


def _money(cap: Cap) -> list[str]:
    limit = f" of {glm(cap.limit_glm)} GLM {cap.per}" if cap.limit_glm is not None else " GLM, without a cap"
    lines = [f"  money: {cap.state}; {glm(cap.used_glm)}{limit} held or spent; at the end: {cap.at_end}"]
    if cap.state in {"asked", "ending"}:
        needs = f"{glm(cap.needed_glm)} GLM are needed for one more lease"
        lines.append(
            f"  {needs}; {when(cap.deadline_at)} it is too late: hive budget cap, or hive wallet request"
        )
    return lines
