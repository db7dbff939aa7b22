"""Deposits moved from state to state by one statement, audit lines included: a block may have thousands.

The same door as `move_to`, in SQL: only ways that TRANSITIONS has (the table's trigger sees to it), only rows
that still are where they come from, a line in the audit trail for each, and the deadline with the state.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from apps.billing.chain.models import ChainTransferState
from apps.billing.chain.treasuries import treasuries
from apps.teams.audit import Actor

SET = 5000
"""Rows in one transaction, at most."""


class Moved(NamedTuple):
    """A deposit that was moved, and the account of the budget that its sender's wallet pays into, if any."""

    pk: int
    tx_hash: str
    log_index: int
    amount_glm: Decimal
    available_id: uuid.UUID | None


# Whatever somebody else moves meanwhile is looked at again by the update, which waits for them.
# What appeared before, in a block that is gone, may have left something to repay: it is not among these.
_MOVE = """
    WITH ripe AS (
        SELECT event.id, event.wallet_id, coalesce(nullif(event.payer, ''), event.sender) AS paid_by
        FROM billing_chaintransfer AS event
        WHERE event.chain_id = %(chain)s AND event.state = %(before)s AND event.block_number <= %(deepest)s
            AND event.recipient = ANY(%(ours)s) AND event.sender <> ALL(%(ours)s)
            AND NOT EXISTS (
                SELECT FROM billing_chaintransfer AS earlier WHERE earlier.state = 'reverted'
                AND earlier.chain_id = event.chain_id AND earlier.tx_hash = event.tx_hash
            )
        ORDER BY event.block_number, event.id LIMIT %(set)s
    ), due AS (
        SELECT ripe.id, wallet.id AS wallet_id, wallet.team_id, budget.available_id
        FROM ripe
        LEFT JOIN billing_wallet AS wallet ON {whose}
        LEFT JOIN billing_budget AS budget ON budget.id = wallet.budget_id
    ), moved AS (
        UPDATE billing_chaintransfer AS event SET state = %(after)s, reason = %(reason)s,
            state_since = %(now)s, deadline_at = %(deadline_at)s{kept}
        FROM due WHERE event.id = due.id AND event.state = %(before)s
        RETURNING event.id, event.tx_hash, event.log_index, event.amount, due.available_id, due.team_id
    ), told AS (
        INSERT INTO teams_auditline (at, team_id, noun, noun_id, label, before, after, actor, reason)
        SELECT %(now)s, team_id, 'chaintransfer', id::text,
            trim_scale(amount)::text || ' GLM in ' || left(tx_hash, 10) || '…',
            %(before)s, %(after)s, %(actor)s, %(reason)s
        FROM moved ORDER BY moved.id
    )
    SELECT {answer} FROM moved
"""
_BY_PAYER = {
    "whose": "wallet.address = ripe.paid_by",
    "kept": ", wallet_id = due.wallet_id",
    "answer": "id, tx_hash, log_index, amount, available_id",
}
_AS_KEPT = {"whose": "wallet.id = ripe.wallet_id", "kept": "", "answer": "count(*)"}


@transaction.atomic
def confirm(*, deepest: int, actor: Actor, reason: str, deadline_at: datetime) -> list[Moved]:
    """At most SET seen deposits of blocks up to `deepest`; each learns whose wallet it came from."""
    ways = (ChainTransferState.SEEN, ChainTransferState.CONFIRMED)
    moved = _move(_BY_PAYER, ways, deepest=deepest, actor=actor, reason=reason, deadline_at=deadline_at)
    return [Moved(*row) for row in moved]


@transaction.atomic
def finish(*, deepest: int, actor: Actor, reason: str) -> int:
    """At most SET confirmed deposits of blocks up to `deepest`. Returns how many."""
    ways = (ChainTransferState.CONFIRMED, ChainTransferState.FINAL)
    ((count,),) = _move(_AS_KEPT, ways, deepest=deepest, actor=actor, reason=reason, deadline_at=None)
    return int(count)


def _move(
    wallets: Mapping[str, str],
    ways: tuple[str, str],
    *,
    deepest: int,
    actor: Actor,
    reason: str,
    deadline_at: datetime | None,
) -> list[tuple[Any, ...]]:
    said: dict[str, Any] = {
        "chain": settings.HIVE_CHAIN_ID,
        "ours": treasuries(),
        "before": str(ways[0]),
        "after": str(ways[1]),
        "deepest": deepest,
        "set": SET,
        "now": timezone.now(),
        "deadline_at": deadline_at,
        "actor": str(actor),
        "reason": reason,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MOVE.format(**wallets), said)
        return cursor.fetchall()
