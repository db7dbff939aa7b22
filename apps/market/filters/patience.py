"""How long the database may look for what meets a filter: anybody may send one, and all wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Final

from django.core.cache import cache
from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from apps.market.filters.problems import FilterError

EACH_S: Final = 2.0
"""For each statement; one over 100,000 offers with a few comparisons takes a tenth of it."""
REMEMBERED_S: Final = 60
"""So long a filter that took too long is not tried again."""


class FilterTooDear(FilterError):
    """It reads well, but takes too long to answer."""

    def __init__(self, text: str) -> None:
        super().__init__(text, 0, "takes too long to answer: ask for less, with fewer wildcards")


@contextmanager
def in_time(text: str, seconds: float = EACH_S) -> Iterator[None]:
    """Each statement in it ends within so many seconds, or FilterTooDear is raised.

    What asks for nothing has no limit: it would be remembered for everybody.
    """
    if not text.strip():
        yield
        return
    key = f"filter-too-dear:{sha256(text.encode(errors='replace')).hexdigest()}"
    if cache.get(key):
        raise FilterTooDear(text)
    try:
        with transaction.atomic():
            before = _limit(f"{int(seconds * 1000)}ms")
            yield
            _limit(before)  # the transaction around this one, if any, goes on as it was
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        cache.set(key, True, REMEMBERED_S)
        raise FilterTooDear(text) from None


def _limit(value: str) -> str:
    """For the rest of this transaction. Returns what it was before."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH was AS MATERIALIZED (SELECT current_setting('statement_timeout') AS value)
            SELECT was.value, set_config('statement_timeout', %s, true) FROM was
            """,
            [value],
        )
        return str(cursor.fetchone()[0])
