"""`hive nodes`."""

from __future__ import annotations

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns import Node
from hive_client.output import JSON, glm, output_option, print_json, print_table, short, when

PRICE = "glm per thread and hour, from"
COLUMNS = (
    *("Node", "Id", "State", "Scheduling", "Region", "Runtimes"),
    *("cpu free", "gib free", "Speed", PRICE, "Seen"),
)


@click.command(
    epilog=examples(
        "hive nodes", "hive nodes --mine", "hive nodes 0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"
    )
)
@click.argument("node_id", required=False)
@click.option("--mine", is_flag=True, help="Only the nodes you own.")
@output_option
def nodes(node_id: str | None, mine: bool, output: str) -> None:
    """List the nodes for rent, or show the one with this id."""
    hive = connect()
    found = [hive.node(node_id)] if node_id else [node for node in hive.nodes() if node.mine or not mine]
    if output == JSON:
        print_json(found[0] if node_id else found)
    else:
        full = node_id is not None
        print_table(
            COLUMNS,
            [_row(node, full=full) for node in found],
            empty="There are no nodes yet: see hive enrol.",
        )


def _row(node: Node, *, full: bool) -> tuple[str, ...]:
    cheapest = min((offer.price_per_thread_hour_glm for offer in node.offers), default=None)
    return (
        node.name,
        node.id if full else short(node.id),
        node.state if node.approved or node.state == "pending" else f"{node.state}, not approved",
        node.scheduling,
        f"{node.region}, doubted" if node.region_fault else node.region or "–",
        " ".join(node.runtimes),
        f"{glm(node.cpu_threads - node.cpu_threads_claimed)} of {glm(node.cpu_threads)}",
        f"{glm(node.mem_gib - node.mem_gib_claimed)} of {glm(node.mem_gib)}",
        _speed(node),
        glm(cheapest),
        when(node.last_seen_at),
    )


def _speed(node: Node) -> str:
    """CPU units of one thread."""
    figure = node.benchmark and node.benchmark.cpu_single
    return f"{figure:.3g}" if figure else "–"
