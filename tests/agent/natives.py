"""Native replicas for tests: orders, waiting, and the two kinds of machine that they run on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from agent.protocol import Workload
from agent.runtimes.base import Order, Run
from agent.runtimes.guarded import confinement
from agent.runtimes.guarded import runtime as guarded
from agent.runtimes.guarded.runtime import Guarded
from tests.agent.orders import order_for
from tests.agent.orders import until as until


def without_walls(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has neither bubblewrap nor control groups."""
    monkeypatch.setattr(guarded, "_lack_of_walls", lambda: "the test says so")
    monkeypatch.setattr(confinement, "_places", dict)


def order(image: str, *, lease_s: float = 60, **fields: Any) -> Order:
    workload = Workload(
        image=f"test/{image}:1",
        runtime="process",
        cpu_threads=Decimal(1),
        mem_gib=Decimal("0.1"),
        stop_grace_s=1,
    )
    return order_for(replace(workload, **({"port": 80} | fields)), lease_s=lease_s)


async def end_of(runtime: Guarded, run: Run, timeout_s: float = 5) -> str:
    async def reason() -> str:
        status = await runtime.status(run)
        return "" if status.alive else status.reason

    return str(await until(reason, timeout_s))


def tree_of(run: Run) -> list[psutil.Process]:
    """The payload and all that descends from it; not what only walls it in."""
    below = psutil.Process(int(run.detail["guard_pid"])).children(recursive=True)
    return [each for each in below if _name_of(each) not in ("bwrap", "setpriv", "")]


def _name_of(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


def payload_of(run: Run) -> psutil.Process:
    return psutil.Process(int(run.detail["payload_pid"]))
