"""How the nodes stand, from one tick of the watcher to the next, whichever worker it runs in.

A node that is left out, and one that is taken back, is worth one line in the log and one in the audit trail.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from apps.billing.chain.chain_nodes import ChainNode, ChainNodeState
from apps.billing.chain.nodes import Nodes, Standing
from apps.teams.audit import Actor

log = logging.getLogger("hive.chain")

WATCHER = Actor.queen("watcher")
OVERDUE_AFTER = timedelta(minutes=10)
"""A node left out is tried again when it is due; so much later nobody has, and somebody should look."""


@contextmanager
def examined(nodes: Nodes, *, depth: int) -> Iterator[None]:
    """Inside, the nodes stand as they were left, examined if that is due; what is found out is kept."""
    rows = {row.name: row for row in ChainNode.objects.all()}
    for name, standing in nodes.standing.items():
        if name in rows:
            _recall(standing, rows[name])
    nodes.examined_at = max((row.examined_at for row in rows.values() if row.examined_at), default=None)
    is_due = nodes.is_examination_due or nodes.standing.keys() - rows.keys()
    try:
        if is_due:
            nodes.examine(depth=depth)
        yield
    finally:
        for name, standing in nodes.standing.items():
            _keep(rows.get(name), name, standing, nodes=nodes, is_examined=bool(is_due))
        _retire([row for name, row in rows.items() if name not in nodes.standing])


def _recall(standing: Standing, row: ChainNode) -> None:
    if row.state == ChainNodeState.LEFT_OUT:
        standing.left_out, standing.retry_at, standing.tries = row.reason, row.retry_at, row.tries
    elif standing.left_out:
        standing.take_back()
    standing.lies = row.lies


def _keep(row: ChainNode | None, name: str, standing: Standing, *, nodes: Nodes, is_examined: bool) -> None:
    if row is None:
        row = ChainNode.objects.get_or_create(name=name)[0]
    found = {
        "height": standing.height,
        "examined_at": nodes.examined_at,
        "retry_at": standing.retry_at,
        "tries": standing.tries,
        "lies": standing.lies,
    }
    state = ChainNodeState.LEFT_OUT if standing.left_out else ChainNodeState.WELL
    deadline_at = standing.retry_at + OVERDUE_AFTER if standing.retry_at else None
    if row.state != state:
        reason = standing.left_out or "it answers, and says what the others say"
        row.move_to(state, actor=WATCHER, reason=reason, deadline_at=deadline_at, **found)
        _tell(nodes, row)
    elif is_examined or row.retry_at != standing.retry_at:
        ChainNode.objects.filter(pk=row.pk).update(deadline_at=deadline_at, **found)


def _tell(nodes: Nodes, row: ChainNode) -> None:
    """Of several: that the only one is silent, the watcher says itself."""
    if len(nodes.nodes) == 1:
        return
    if row.state == ChainNodeState.LEFT_OUT:
        log.warning("the chain's node %s is left out: %s", row, row.reason)
    else:
        log.info("the chain's node %s is taken back: %s", row, row.reason)


def _retire(rows: list[ChainNode]) -> None:
    for row in rows:
        if row.state != ChainNodeState.RETIRED:
            row.move_to(ChainNodeState.RETIRED, actor=WATCHER, reason="HIVE_RPC_URL no longer names it")
