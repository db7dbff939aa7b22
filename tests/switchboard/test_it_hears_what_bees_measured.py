"""The whole way: a real Bee measures itself over its link to a real Queen, who stores what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from channels.db import database_sync_to_async

from agent.bee import Bee
from agent.config import Config, Rent
from agent.link import keep_link
from agent.measuring import measure
from apps.nodes.models import Node, NodeBenchmark, Statistic
from tests.switchboard.portal import eventually

pytestmark = pytest.mark.real


async def measure_over_a_link(home: Path, url: str, make_node: Callable[..., Node]) -> None:
    wake = asyncio.Event()
    rent = Rent(threads=Decimal(1), mem_gib=Decimal(1))
    config = Config(url=url, name="attic", advertise="127.0.0.1", rent=rent)
    bee = Bee(home=home, config=config, runtimes={}, poke=wake.set)
    await database_sync_to_async(make_node)(bee.key)
    link = asyncio.create_task(keep_link(bee, wake, lambda stream: None))
    try:
        async with asyncio.timeout(60):
            await bee.greeted.wait()
            assert await measure(bee)
            await database_sync_to_async(eventually)(NodeBenchmark.objects.exists)
    finally:
        link.cancel()
        await asyncio.gather(link, return_exceptions=True)
        bee.journal.close()


def test_a_bee_measures_itself_and_the_way(
    portal: str, tmp_path: Path, make_node: Callable[..., Node]
) -> None:
    asyncio.run(measure_over_a_link(tmp_path, portal.replace("ws://", "http://"), make_node))

    measured = NodeBenchmark.objects.get()
    assert {figure: getattr(measured, figure) > 0 for figure in NodeBenchmark.FIGURES} == dict.fromkeys(
        NodeBenchmark.FIGURES, True
    )
    assert Node.objects.get().benchmark == measured
    heartbeat = Statistic.objects.filter(node_id=measured.node_id).latest("at")
    assert (heartbeat.mem_used_bytes > 0, heartbeat.disk_used_bytes > 0, heartbeat.samples) == (True, True, 1)
    assert Node.objects.get().properties["hive.inf.os.name"]
