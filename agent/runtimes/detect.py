"""Which runtimes work on this machine: only those are offered."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from agent.runtimes.base import Runtime, RuntimeFault
from agent.runtimes.process import ProcessRuntime

log = logging.getLogger("hive.agent")


def detect_runtimes(allowed: Iterable[str], *, home: Path, node_id: str) -> dict[str, Runtime]:
    """Those of `allowed` that work, by name."""
    found: dict[str, Runtime] = {}
    for name in allowed:
        try:
            found[name] = _detect(name, home, node_id)
        except RuntimeFault as fault:
            log.warning("runtime %s is not offered: %s", name, fault)
    return found


def _detect(name: str, home: Path, node_id: str) -> Runtime:
    if name == "process":
        return ProcessRuntime(home)
    if name == "docker":
        # Imported where it is allowed only: the SDK costs 8 MB.
        from agent.runtimes.docker import DockerRuntime

        return DockerRuntime.detect(node_id)
    raise RuntimeFault(f"there is no runtime {name!r}")
