"""Which runtimes work on this machine: only those are offered."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from agent.runtimes.base import Runtime, RuntimeFault
from agent.runtimes.guarded.runtime import DEFAULT_STORAGE_BYTES
from agent.runtimes.process import ProcessRuntime

log = logging.getLogger("hive.agent")


async def detect_runtimes(
    allowed: Iterable[str], *, home: Path, node_id: str, storage_bytes: int = DEFAULT_STORAGE_BYTES
) -> dict[str, Runtime]:
    """Those of `allowed` that are there and pass their self-test, by name; no replica may write more."""
    found: dict[str, Runtime] = {}
    for name in allowed:
        try:
            runtime = make_runtime(name, home, node_id, storage_bytes)
            await runtime.self_test()
            found[name] = runtime
        except RuntimeFault as fault:
            log.warning("runtime %s is not offered: %s", name, fault)
    return found


def make_runtime(name: str, home: Path, node_id: str, storage_bytes: int = DEFAULT_STORAGE_BYTES) -> Runtime:
    """Untested. Imported where it is allowed only: the Docker SDK alone costs 8 MB. Raises RuntimeFault."""
    if name == "process":
        return ProcessRuntime(home, storage_bytes=storage_bytes)
    if name == "docker":
        from agent.runtimes.docker.runtime import DockerRuntime

        return DockerRuntime.detect(node_id, home=home, storage_bytes=storage_bytes)
    if name == "qemu":
        from agent.runtimes.qemu.runtime import QemuRuntime

        return QemuRuntime(home, storage_bytes=storage_bytes)
    if name == "wasm":
        from agent.runtimes.wasm.runtime import WasmRuntime

        return WasmRuntime(home, storage_bytes=storage_bytes)
    raise RuntimeFault(f"there is no runtime {name!r}, only docker, process, qemu and wasm")
