"""Following a deployment until it is what it should be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from hive_client.errors import HiveError
from hive_client.nouns import Deployment

WAIT_S = 600.0
LOOK_EVERY_S = 0.5

GOALS = {"running": {"healthy", "idle"}, "stopped": {"stopped"}}
"""What is wanted -> the statuses that fulfil it; idle is what has no replicas and shall have none."""


def follow(
    looks: Iterator[Deployment],
    *,
    wanted: str,
    timeout_s: float,
    seen: Callable[[Deployment], None],
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Deployment:
    """The first look that shows the goal of what is `wanted`.

    Raises `HiveError` with the reason: `failed`, `timeout`, or `changed` when something else is wanted by
    now, as when its money has ended meanwhile.
    """
    until = now() + timeout_s
    for deployment in looks:
        seen(deployment)
        if deployment.wanted != wanted:
            now_is = f"it is to be {deployment.wanted} now"
            raise HiveError(f"{deployment.name}: {deployment.reason or now_is}", code="changed")
        if deployment.status in GOALS[deployment.wanted]:
            return deployment
        if any(service.replicas_failed for service in deployment.services):
            raise HiveError(f"{deployment.name} failed: {deployment.reason}", code="failed")
        if now() >= until:
            raise HiveError(
                f"{deployment.name} is still {deployment.status} after {timeout_s:g} s: {deployment.reason}",
                code="timeout",
            )
        sleep(LOOK_EVERY_S)
    raise AssertionError("`looks` never ends")
