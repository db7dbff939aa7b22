"""Transfer events claimed for the books: each once, by (chain, transaction, log index)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.billing.arrays import array
from apps.billing.chain.answers import TokenTransfer
from apps.billing.ledger.posting import LIMIT_GLM
from apps.money import plain

log = logging.getLogger("hive.chain")

CONFIRM_WITHIN = timedelta(hours=1)

# An array for each column, however many events a range of blocks has.
_CLAIM = """
    INSERT INTO billing_chaintransfer (chain_id, tx_hash, log_index, block_number, block_hash, sender,
        recipient, payer, amount, state, reason, state_since, deadline_at, seen_at)
    SELECT %(chain)s, tx_hash, log_index, block_number, block_hash, sender, recipient, payer, amount,
        'seen', 'in block ' || block_number, %(now)s, %(deadline_at)s, %(now)s
    FROM unnest(%(tx_hash)s::text[], %(log_index)s::int[], %(block_number)s::bigint[], %(block_hash)s::text[],
        %(sender)s::text[], %(recipient)s::text[], %(payer)s::text[], %(amount_glm)s::numeric[])
        WITH ORDINALITY AS event
        (tx_hash, log_index, block_number, block_hash, sender, recipient, payer, amount, place)
    ORDER BY place
    ON CONFLICT DO NOTHING
"""
_FIELDS = (
    *("tx_hash", "log_index", "block_number", "block_hash"),
    *("sender", "recipient", "payer", "amount_glm"),
)


def claim(transfers: Sequence[TokenTransfer]) -> None:
    """In one statement; those that are claimed already are passed over.

    Anybody may have the token tell of a transfer of nothing out of any wallet: there is nothing to book.
    """
    transfers = [each for each in transfers if each.amount_glm and _can_be_held(each)]
    if not transfers:
        return
    now = timezone.now()
    columns = {name: array([getattr(each, name) for each in transfers]) for name in _FIELDS}
    times = {"now": now, "deadline_at": now + CONFIRM_WITHIN}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"chain": settings.HIVE_CHAIN_ID, **columns, **times})


def _can_be_held(each: TokenTransfer) -> bool:
    """GLM has 10^9 in all. What is beyond the ledger is some other token's, and shows as a difference."""
    if each.amount_glm < LIMIT_GLM:
        return True
    told = "%s of block %d moves %s GLM, more than the ledger can hold: it is left out"
    log.error(told, each.tx_hash, each.block_number, plain(each.amount_glm))
    return False
