"""One worker at a time, by PostgreSQL's advisory locks: a killed worker's end with its session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected, SerializationFailure


@contextmanager
def only_one(name: str) -> Iterator[bool]:
    """Yields True to the one worker that may do `name` now, False to the others."""
    got = _ask("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name)
    try:
        yield got
    finally:
        if got:
            _ask("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", name)


def was_sacrificed(error: OperationalError) -> bool:
    """Whether the database undid this transaction to let others go on: the same may be tried again.

    A lost connection or a time-out is an OperationalError too, and is nobody's to try again at once.
    """
    return isinstance(error.__cause__, DeadlockDetected | SerializationFailure)


def queue_for(name: str) -> None:
    """Wait for one's turn at `name`, and keep it to the end of the transaction."""
    _ask("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0)) IS NULL", name)


def _ask(query: str, name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(query, [name])
        return bool(cursor.fetchone()[0])
