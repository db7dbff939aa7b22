"""What the person in front of the demo reads: one line a step, with how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from hive_portal.demo.receipt import Receipt

console = Console(highlight=False)


class Step:
    """A step that is under way; `result` ends up behind its sentence."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        self.result = ""


@contextmanager
def step(sentence: str) -> Iterator[Step]:
    """Show `sentence` while it happens, then with a tick, its result and its seconds."""
    begun = time.monotonic()
    current = Step(sentence)
    with console.status(f"{sentence} …"):
        yield current
    took = f"[dim]{time.monotonic() - begun:5.1f} s[/]"
    sentence = f"{current.sentence}: {current.result}" if current.result else current.sentence
    console.print(f"[green]✓[/] {took}  {sentence}", soft_wrap=True)


def print_receipt(receipt: Receipt) -> None:
    table = Table(title="Receipt", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    for name, text in _rows(receipt):
        table.add_row(name, text)
    console.print()
    console.print(table)


def _rows(receipt: Receipt) -> Iterator[tuple[str, str]]:
    yield "deployment", f"{receipt.deployment['name']} at {receipt.deployment['url']}"
    for replica in receipt.replicas:
        where = f"{replica['node_name']} {replica['node'][:10]}…"
        yield "replica", f"{replica['name']} on {where} for {replica['price_per_hour_glm']} GLM/h"
    edge, failover = receipt.edge, receipt.failover
    yield "edge", f"{edge['requests']} requests, {edge['failed']} failed"
    yield (
        "failover",
        f"{failover['killed_node_name']} killed, {failover['requests']} requests, "
        f"{failover['failed']} failed, replaced in {failover['replaced_in_s']} s",
    )
    yield "usage", f"{receipt.usage['running_s']} replica seconds, {receipt.usage['cost_glm']} GLM"
    yield "invoice", f"{receipt.invoice['number']} over {receipt.invoice['total_glm']} GLM"
    for payment in receipt.payments:
        paid = f"{payment['amount_glm']} GLM to {payment['node'][:10]}…"
        yield "payment", f"{paid} in block {payment['block']}, {payment['state']}"
    told = receipt.reconciliation
    yield "chain", f"{told['matched']} transfers matched, {told['unmatched']} unmatched"
    yield "ledger", f"sums to {receipt.ledger['sum']}"
