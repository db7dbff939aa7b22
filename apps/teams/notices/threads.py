"""Calls that block, in threads that nobody has to wait for.

`asyncio.to_thread` bounds nothing: when its loop ends it waits for the thread, however long a resolver sits
there. Of these threads whoever gives up waiting is rid.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What it returns or raises. Whoever is cancelled here leaves the thread to its own end."""
    answer: Future[T] = Future()
    answer.set_running_or_notify_cancel()  # from now on nobody can take the future away from the thread

    def work() -> None:
        try:
            answer.set_result(function(*args, **kwargs))
        except BaseException as error:  # it is raised where the answer is awaited
            answer.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return await asyncio.wrap_future(answer)
