"""Two workers who do the Queen's regular work at the same time, as Celery would have them do it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from celery import current_app
from django.db import connection

from apps.billing import tasks

ORDER = ("rate_usage", "settle", "watch_chain")
"""Money flows this way; whatever else billing does by itself comes after, by name."""
Work = Callable[[], object]


def regular_work() -> list[Work]:
    """Every task of billing's, whichever there are by now."""
    prefix = "billing."
    assert tasks  # their module registers them
    found = {
        name.removeprefix(prefix): task for name, task in current_app.tasks.items() if name.startswith(prefix)
    }
    return [found.pop(name) for name in ORDER] + [found[name] for name in sorted(found)]


def beat() -> None:
    """Each task by two workers side by side, the next one when both are done."""
    for work in regular_work():
        side_by_side(work, work)


def side_by_side(*works: Work) -> None:
    """Each in a thread with a connection of its own. Raises what one of them raised."""
    trouble: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Work) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:
            trouble.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if trouble:
        raise trouble[0]
