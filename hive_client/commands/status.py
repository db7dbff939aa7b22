"""`hive status`: one deployment at a glance, its money included."""

from __future__ import annotations

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns import Cap, Deployment
from hive_client.output import JSON, clean, glm, output_option, print_json, when

REMEDIES = {
    "cap": "hive budget cap",
    "budget": "hive wallet request",
    "both": "hive wallet request, and hive budget cap",
}
"""By whose room is too small."""


@click.command(epilog=examples("hive status hello", "hive status hello -o json"))
@click.argument("name")
@output_option
def status(name: str, output: str) -> None:
    """Show how the deployment NAME stands: what runs, what it costs, what its money allows."""
    found = connect().deployments.get(name)
    if output == JSON:
        print_json(found)
        return
    for line in _lines(found):
        click.echo(clean(line))


def _lines(row: Deployment) -> list[str]:
    lines = [f"{row.name}: {row.status}{row.reason and f', {row.reason}'}"]
    for service in row.services:
        healthy = f"{service.replicas_healthy} of {service.replicas_wanted} healthy"
        gone = f", {service.replicas_taken} let go {when(service.taken_at)} for want of money"
        url = f", {service.url}" if service.url else ""
        lines.append(f"  {service.name}: {healthy}{gone if service.replicas_taken else ''}{url}")
    lines.append(f"  costs {glm(row.price_per_hour_glm)} GLM per hour at most")
    if row.runway:
        lines.append(f"  {'its money ' if row.runway.per_hour_glm else ''}{row.runway.in_words}")
    return [*lines, *(_money(row.cap) if row.cap else [])]


def _money(cap: Cap) -> list[str]:
    period = " a month" if cap.per == "month" else ""
    most = f" of at most {glm(cap.limit_glm)} GLM{period}" if cap.limit_glm is not None else ", without a cap"
    lines = [f"  money: {cap.state}; {glm(cap.used_glm)} GLM held or spent{most}; at the end: {cap.at_end}"]
    if cap.state in {"asked", "ending"}:
        needs = f"one more lease takes {glm(cap.needed_glm)} GLM"
        lines.append(f"  {needs}; {when(cap.deadline_at)} it is too late: {REMEDIES[cap.short_of or 'both']}")
    return lines
