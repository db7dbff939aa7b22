"""Keeps children running: one that ends is started again, each time a little later."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hive_portal.stack.errors import StackError
from hive_portal.stack.process import Child

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
STEADY_AFTER_S = 60.0
"""A child that ran this long starts over with the first delay."""


@dataclass
class Watch:
    """What is remembered of one child. Times are monotonic seconds."""

    started_at: float
    delay_s: float = FIRST_DELAY_S
    due_at: float | None = None


class Supervisor:
    """Watches children from a thread of its own until `stop`, and says in one line what it does."""

    def __init__(self, children: Sequence[Child], say: Callable[[str], None]) -> None:
        self._children = list(children)
        self._say = say
        self._watches = {child.name: Watch(time.monotonic()) for child in children}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; the children are left as they are."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(0.2):
            for child in self._children:
                self._look_at(child, time.monotonic())

    def _look_at(self, child: Child, now: float) -> None:
        watch = self._watches[child.name]
        if child.running:
            if now - watch.started_at > STEADY_AFTER_S:
                watch.delay_s = FIRST_DELAY_S
        elif watch.due_at is None:
            self._say(
                f"{child.name} ended with status {child.exit_status}: "
                f"started again in {watch.delay_s:g} s (see {child.log})"
            )
            watch.due_at = now + watch.delay_s
            watch.delay_s = min(watch.delay_s * 2, LONGEST_DELAY_S)
        elif now >= watch.due_at:
            watch.started_at, watch.due_at = now, None
            try:
                child.start()
            except StackError as error:
                self._say(str(error))
