"""How much one may say: more waits its turn, so that a single Bee can't use up the process that hears it."""

from __future__ import annotations

FRAMES_PER_S = 50
BYTES_PER_S = 256 << 10
BURST_S = 30.0
"""So much of it may come at once: 1,500 frames, or 7.5 MiB, after a silence."""


class Pace:
    """Of one link. `wait_s` counts a frame, and says how long the next must not be read."""

    __slots__ = ("_spent_until_s",)

    def __init__(self) -> None:
        self._spent_until_s = 0.0

    def wait_s(self, size: int, now_s: float) -> float:
        cost_s = 1 / FRAMES_PER_S + size / BYTES_PER_S
        self._spent_until_s = max(self._spent_until_s, now_s) + cost_s
        return max(0.0, self._spent_until_s - now_s - BURST_S)
