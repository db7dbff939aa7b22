"""How long a Bee takes to answer: asked at each link, again a few times soon after, then now and then.

The challenge at the start of a link is timed, too, but thousands of those come at once after a restart, and a
busy moment is no distance. Only a Queen that knows her own region asks: nobody else needs to know.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.conf import settings

from agent.protocol import Ping, Pong

_SOON, _SOON_S, _LATER_S = 4, 5.0, 1800.0
_NOTABLY_LESS = 0.9


@dataclass(frozen=True, slots=True)
class Timed:
    """The Bee of this link answered within so long, which is its least."""

    node_id: str
    channel: str
    round_trip_ms: float


class Timing:
    """Of one link. Times are of the monotonic clock."""

    __slots__ = ("_asked", "_asked_at_s", "_due_s", "_ping_id", "least_ms")

    def __init__(self, least_ms: float) -> None:
        self.least_ms = least_ms
        self._asked = 0
        self._asked_at_s = self._due_s = 0.0
        self._ping_id: int | None = None

    def ask(self, now_s: float) -> Ping | None:
        """What to ask now, if it is time; send it at once."""
        if not settings.HIVE_REGION or now_s < self._due_s:
            return None
        self._asked += 1
        self._asked_at_s, self._due_s = now_s, now_s + (_SOON_S if self._asked < _SOON else _LATER_S)
        self._ping_id = secrets.randbits(62)  # or a Bee could answer before it was asked
        return Ping(ping_id=self._ping_id)

    def hear(self, pong: Pong, now_s: float) -> bool:
        """Whether that was notably quicker than all before, and right."""
        if pong.ping_id != self._ping_id:
            return False
        self._ping_id, took_ms = None, (now_s - self._asked_at_s) * 1000
        if took_ms >= self.least_ms * _NOTABLY_LESS:
            return False
        self.least_ms = took_ms
        return True
