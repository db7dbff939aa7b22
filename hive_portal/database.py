"""The one bridge from sockets to the ORM: a few threads, each with a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from channels.db import DatabaseSyncToAsync

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 4
_pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="links")


async def in_database(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run it in a thread that may use the ORM. Calls queue up: never more connections than threads."""
    call = DatabaseSyncToAsync(function, thread_sensitive=False, executor=_pool)
    result: T = await call(*args, **kwargs)
    return result
