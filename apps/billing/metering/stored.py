"""The usage that is stored, read and written in sets: a fixed number of statements for any number of chains.

In SQL of its own, because the end of a chain is one step down an index, however long the chain has grown;
Django's `distinct("agreement_id")` would read all of it.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from django.db import connection
from django.utils import timezone

from agent import protocol
from apps.billing.metering.models import UsageState
from apps.billing.metering.usage_chain import Head

_HEADS = """
    SELECT chain.id, newest.sequence, newest.hash, newest.final
    FROM unnest(%s::uuid[]) AS chain (id)
    CROSS JOIN LATERAL (
        SELECT sequence, hash, final FROM billing_usagerecord
        WHERE agreement_id = chain.id ORDER BY sequence DESC LIMIT 1
    ) AS newest
"""
_HASHES = """
    SELECT agreement_id, usage.sequence, hash
    FROM unnest(%s::uuid[], %s::integer[]) AS wanted (agreement, sequence)
    JOIN billing_usagerecord AS usage ON agreement_id = agreement AND usage.sequence = wanted.sequence
"""
_APPEND = """
    COPY billing_usagerecord (
        agreement_id, sequence, previous_hash, hash, signature, started_at_ms, ended_at_ms, running_ms,
        cpu_ms, egress_bytes, final, state, received_at, reduced_because
    ) FROM STDIN
"""


def heads(agreements: Collection[uuid.UUID]) -> dict[uuid.UUID, Head]:
    """The newest report of each agreement that has any."""
    with connection.cursor() as cursor:
        cursor.execute(_HEADS, [list(agreements)])
        return {pk: Head(sequence, hash_, final) for pk, sequence, hash_, final in cursor.fetchall()}


def hashes(wanted: Iterable[tuple[uuid.UUID, int]]) -> dict[uuid.UUID, dict[int, str]]:
    """The stored hashes of these sequences; an agreement without any has an empty dict."""
    found = defaultdict[uuid.UUID, dict[int, str]](dict)
    pairs = list(wanted)
    if pairs:
        with connection.cursor() as cursor:
            cursor.execute(_HASHES, [[pk for pk, _ in pairs], [sequence for _, sequence in pairs]])
            for pk, sequence, hash_ in cursor.fetchall():
                found[pk][sequence] = hash_
    return found


def append(reports: Mapping[uuid.UUID, Iterable[protocol.Usage]]) -> int:
    """Write reports that follow what is stored, by COPY; the caller holds the lock of their agreements.

    So none of them can be there already: a table that says otherwise refuses them all (IntegrityError).
    """
    now, count = timezone.now().isoformat(), 0
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(_APPEND) as copy:
        for pk, mine in reports.items():
            agreement = str(pk)
            for each in mine:
                count += 1
                copy.write_row(
                    (
                        agreement,
                        each.sequence,
                        each.previous_hash,
                        each.hash,
                        each.signature,
                        each.started_at_ms,
                        each.ended_at_ms,
                        each.running_ms,
                        each.cpu_ms,
                        each.egress_bytes,
                        each.final,
                        UsageState.RECEIVED.value,
                        now,
                        "",
                    )
                )
    return count
