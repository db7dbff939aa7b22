"""A Bee times the way to the Queen by probes that she echoes: rarely, so that nobody uses her up by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.protocol import Echo, Probe

PROBES_PER_HOUR = 24
BYTES_PER_HOUR = 8 << 20
"""Both ways together. A Bee's benchmark takes 12 probes and 3 MiB at most, and comes once a day."""
HOUR_S = 3600.0


@dataclass(slots=True)
class _Spent:
    since_s: float
    probes: int = 0
    padding_bytes: int = 0


class Probing:
    """Counts by node, so that a new link gives no new allowance; forgets who has not asked for an hour."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._spent: dict[str, _Spent] = {}

    def echo(self, node_id: str, probe: Probe) -> Echo | None:
        """None when the node has had enough for this hour: the Bee waits in vain, and measures tomorrow."""
        spent = self._spent_by(node_id)
        padding_bytes = len(probe.padding) + probe.echo_bytes
        if spent.probes >= PROBES_PER_HOUR or spent.padding_bytes + padding_bytes > BYTES_PER_HOUR:
            return None
        spent.probes += 1
        spent.padding_bytes += padding_bytes
        return Echo(probe_id=probe.probe_id, padding="." * probe.echo_bytes)

    def _spent_by(self, node_id: str) -> _Spent:
        now_s = self._now_s()
        self._forget(now_s - HOUR_S)
        return self._spent.setdefault(node_id, _Spent(since_s=now_s))

    def _forget(self, before_s: float) -> None:
        """They stand in the order in which they first asked."""
        while self._spent:
            eldest = next(iter(self._spent))
            if self._spent[eldest].since_s > before_s:
                return
            del self._spent[eldest]
