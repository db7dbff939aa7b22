"""`hive ps`."""

from __future__ import annotations

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns import Deployment, Replica
from hive_client.output import glm, output_option, print_rows, short, when

DEPLOYMENTS = ("Deployment", "Status", "Replicas", "glm/h", "Address", "Made", "Why")
REPLICAS = ("Replica", "State", "Node", "generation", "glm/h", "Since", "Next look", "Gives up", "Why")


@click.command(epilog=examples("hive ps", "hive ps hello", "hive ps hello -o json"))
@click.argument("name", required=False)
@output_option
def ps(name: str | None, output: str) -> None:
    """List deployments, or the replicas of the one called NAME: where they run, and what they wait for."""
    hive = connect()
    if name is None:
        found = list(hive.deployments)
        print_rows(found, output, columns=DEPLOYMENTS, row=_deployment, empty="Nothing is deployed.")
        return
    replicas = hive.deployments.replicas(name)
    print_rows(replicas, output, columns=REPLICAS, row=_replica, empty=f"{name} has no replicas.")


def _deployment(row: Deployment) -> tuple[str, ...]:
    healthy = sum(service.replicas_healthy for service in row.services)
    wanted = sum(service.replicas_wanted for service in row.services) if row.wanted == "running" else 0
    counts = f"{healthy}/{wanted}"
    price, address = glm(row.price_per_hour_glm), next(iter(row.answers_at), "-")
    return row.name, row.status, counts, price, address, when(row.created_at), row.reason


def _replica(row: Replica) -> tuple[str, ...]:
    node = f"{row.node_name} {short(row.node_id)}".strip() if row.node_id else "-"
    return (
        row.name,
        row.state,
        node,
        str(row.generation),
        glm(row.price_per_hour_glm),
        when(row.state_since),
        when(row.retry_at),
        when(row.deadline_at),
        row.reason if row.state != "healthy" else "",
    )
