"""Transfers on their way into the ledger: lean, because there are many, and written in one statement."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from apps.billing.arrays import array
from apps.billing.ledger.accounts import Transfer


class Entry(NamedTuple):
    """A Transfer that is not written yet, under the names of its columns."""

    key: str
    kind: str
    debit_id: uuid.UUID
    credit_id: uuid.UUID
    amount: Decimal
    reference: str = ""
    undoes_id: int | None = None

    @classmethod
    def of(cls, transfer: Transfer) -> Entry:
        return cls(
            transfer.key,
            transfer.kind,
            transfer.debit_id,
            transfer.credit_id,
            transfer.amount,
            transfer.reference,
            transfer.undoes_id,
        )


# An array for each column: the server reads a dozen values instead of thousands, which Django's bulk_create
# sends one by one. A statement of its own moves the balances once, whatever the number of rows.
_WRITE = """
    INSERT INTO billing_transfer (key, kind, debit_id, credit_id, amount, reference, undoes_id, at)
    SELECT key, kind, debit, credit, amount, reference, undoes, %s
    FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::numeric[], %s::text[], %s::bigint[])
        WITH ORDINALITY AS entry (key, kind, debit, credit, amount, reference, undoes, place)
    ORDER BY place
    ON CONFLICT DO NOTHING
"""


def write(entries: Sequence[Entry]) -> int:
    """In one statement, in their order; keys that exist are left out. Returns how many were written."""
    if not entries:
        return 0
    columns = [array(column) for column in zip(*entries, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [timezone.now(), *columns])
        return int(cursor.rowcount)
