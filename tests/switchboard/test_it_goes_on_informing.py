"""The one task that sends wanted sets outlives a database that is away and Bees that hang up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import OperationalError

from agent.protocol import Refused, Wanted
from hive_portal import informing
from hive_portal.informing import Informer

WANTED = Wanted(revision=1, heartbeat_s=5, metering_interval_s=60, approved=True)


class Listener:
    """A link, as far as the informer knows one."""

    told: Wanted | None = None
    is_idle = False

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    def inform(self, message: Wanted | Refused) -> None:
        self.heard.set()


class Database:
    """Away until `is_back`."""

    is_back = False

    async def gather(self, gather: Any, told: dict[str, Wanted | None]) -> dict[str, Wanted]:
        if not self.is_back:
            raise OperationalError("the server closed the connection")
        return dict.fromkeys(told, WANTED)


@pytest.mark.parametrize("hangs_up", [False, True])
async def test_it_informs_the_next_one(monkeypatch: pytest.MonkeyPatch, hangs_up: bool) -> None:
    database = Database()
    monkeypatch.setattr(informing, "in_database", database.gather)
    links: dict[str, Listener] = {"0xa": Listener()}
    informer = Informer(links)
    informer.refresh(links)
    if hangs_up:
        links.clear()
    life = asyncio.create_task(informer.run())
    for _ in range(10):
        await asyncio.sleep(0)  # its turn has come and gone
    database.is_back = True
    links["0xb"] = Listener()
    informer.refresh(["0xb"])
    try:
        async with asyncio.timeout(5):
            await links["0xb"].heard.wait()
    finally:
        life.cancel()
