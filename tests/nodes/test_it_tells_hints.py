"""Hints go out over one connection that a process keeps, wherever they come from."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from channels.layers import get_channel_layer
from django.conf import settings

from apps.nodes import telling
from apps.nodes.telling import tell
from hive_portal.stack import Stack
from tests.switchboard.portal import eventually

HINT = {"type": "hint"}


class Ear:
    """A channel in the group `test`."""

    def __init__(self) -> None:
        self._layer: Any = get_channel_layer()

    async def listen(self) -> None:
        self._channel = await self._layer.new_channel()
        await self._layer.group_add("test", self._channel)

    async def hear(self) -> Any:
        return await asyncio.wait_for(self._layer.receive(self._channel), 5)


@pytest.fixture
async def ear(stack: Stack) -> AsyncIterator[Ear]:
    ear = Ear()
    await ear.listen()
    yield ear
    await ear._layer.flush()


def connections_ever_made() -> int:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        return int(client.info("stats")["total_connections_received"])


async def test_it_keeps_one_connection(ear: Ear) -> None:
    tell(["test"], HINT)
    assert await ear.hear() == HINT
    before = connections_ever_made()
    for _ in range(20):
        tell(["test"], HINT)
        await ear.hear()
    assert connections_ever_made() - before == 1  # that of the question itself


async def test_it_tells_from_many_threads_at_once(ear: Ear) -> None:
    threads = [threading.Thread(target=tell, args=(["test"], {"type": f"from.{n}"})) for n in range(20)]
    for thread in threads:
        thread.start()
    assert {(await ear.hear())["type"] for _ in threads} == {f"from.{n}" for n in range(20)}


def _tell_and_end() -> None:
    tell(["test"], {"type": "from.child"})
    telling._finish()


async def test_it_tells_from_a_forked_child(ear: Ear) -> None:
    tell(["test"], HINT)
    await ear.hear()
    child = multiprocessing.get_context("fork").Process(target=_tell_and_end)
    child.start()
    assert await ear.hear() == {"type": "from.child"}
    child.join(5)
    assert child.exitcode == 0


class Deaf:
    """In place of a Redis that fails, or never answers."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.error:
            raise self.error
        await asyncio.Event().wait()


@pytest.mark.parametrize("error", [ConnectionError("refused"), None])
def test_it_logs_a_hint_that_is_lost(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(telling, "WITHIN_S", 0.05)
    monkeypatch.setattr(telling, "get_channel_layer", lambda: Deaf(error))
    tell(["node.x"], HINT)
    eventually(lambda: "hint was not told to node.x" in caplog.text)
