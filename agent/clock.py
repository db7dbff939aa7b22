"""The Bee's clocks: one nobody can set, for leases; the machine's own; the Queen's, for what both read."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger("hive.agent")

WRONG_BY_S = 5.0
"""From here on the owner is told that the machine's clock and the Queen's differ."""
_HEARD = 8


def boot_s() -> float:
    """Seconds since the machine booted, sleep included: no NTP step stretches or cuts a lease by it.

    It means the same to every process until the next boot: a restarted agent can read what the last one
    wrote.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Changes with each boot: a `boot_s` of another boot means nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def wall_ms() -> int:
    """Unix milliseconds, as this machine has them."""
    return time.time_ns() // 1_000_000


class HiveClock:
    """The Queen's clock as far as the Bee knows it: usage, offers and agreements are dated by it.

    She tells it with each `Welcome` and `Wanted`; the boot clock carries it on from there. A message takes
    time to arrive, so what was heard is behind her and never ahead: of the last few the latest is the
    nearest. Until she has told it, it is the machine's own.
    """

    def __init__(
        self, own_ms: Callable[[], int] = wall_ms, since_boot_s: Callable[[], float] = boot_s
    ) -> None:
        self._own_ms, self._since_boot_s = own_ms, since_boot_s
        self._boots: deque[int] = deque(maxlen=_HEARD)
        """When the machine booted, by what she said each time."""
        self._is_wrong = False

    def hear(self, queen_ms: int) -> None:
        """`queen_ms` 0: she did not say."""
        if queen_ms:
            self._boots.append(queen_ms - self._boot_ms())
            self._warn()

    def now_ms(self) -> int:
        return max(self._boots) + self._boot_ms() if self._boots else self._own_ms()

    def own_is_ahead_s(self) -> float:
        """By how much this machine's clock is ahead of the Queen's; negative when behind."""
        return (self._own_ms() - self.now_ms()) / 1000

    def _boot_ms(self) -> int:
        return int(self._since_boot_s() * 1000)

    def _warn(self) -> None:
        """Once, until it was right in between."""
        ahead_s = self.own_is_ahead_s()
        is_wrong = abs(ahead_s) > WRONG_BY_S
        if is_wrong and not self._is_wrong:
            log.warning(
                "this machine's clock is %.0f s %s the Hive's; reports are dated by the Hive's",
                abs(ahead_s),
                "ahead of" if ahead_s > 0 else "behind",
            )
        self._is_wrong = is_wrong
