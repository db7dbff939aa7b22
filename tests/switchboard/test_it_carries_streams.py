from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from agent.protocol import OpenStream
from apps.nodes import streams
from hive_portal.asgi import application
from hive_portal.streams import NOBODY_WAITS

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("stack")]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[OpenStream]:
    """What the Bee would be asked; no link is needed to see the two ends meet."""
    requests: asyncio.Queue[OpenStream] = asyncio.Queue()

    async def ask(node_id: str, request: OpenStream) -> None:
        requests.put_nowait(request)

    monkeypatch.setattr(streams, "ask_for_stream", ask)
    return requests


class BeesEnd:
    """The Bee's second WebSocket, on this test's own event loop."""

    def __init__(self, stream_id: str) -> None:
        scope = {"type": "websocket", "path": f"/bee/stream/{stream_id}/", "headers": [], "subprotocols": []}
        self.socket = ApplicationCommunicator(application, scope)

    async def connect(self) -> None:
        await self.socket.send_input({"type": "websocket.connect"})
        assert (await self.hear())["type"] == "websocket.accept"

    async def say(self, data: bytes) -> None:
        await self.socket.send_input({"type": "websocket.receive", "bytes": data})

    async def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = await self.socket.receive_output(timeout=5)
        return message

    async def hang_up(self) -> None:
        await self.socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.socket.wait()


async def test_bytes_go_both_ways_between_who_asked_and_the_bee(asked: asyncio.Queue[OpenStream]) -> None:
    opening = asyncio.create_task(streams.open_stream("0xbee", "an-assignment", 3))
    request = await asked.get()
    assert (request.assignment_id, request.generation) == ("an-assignment", 3)
    bee = BeesEnd(request.stream_id)
    await bee.connect()
    ours = await opening
    loop = asyncio.get_running_loop()

    await loop.sock_sendall(ours, b"ls\n")
    assert (await bee.hear())["bytes"] == b"ls\n"
    await bee.say(b"a b c")
    assert await loop.sock_recv(ours, 100) == b"a b c"

    ours.close()
    assert (await bee.hear())["type"] == "websocket.close"
    await bee.hang_up()


async def test_the_askers_end_ends_with_the_bees(asked: asyncio.Queue[OpenStream]) -> None:
    opening = asyncio.create_task(streams.open_stream("0xbee", "an-assignment", 1))
    bee = BeesEnd((await asked.get()).stream_id)
    await bee.connect()
    ours = await opening

    await bee.hang_up()

    assert await asyncio.get_running_loop().sock_recv(ours, 100) == b""
    ours.close()


async def test_an_id_opens_one_stream_and_a_guessed_one_opens_none(asked: asyncio.Queue[OpenStream]) -> None:
    opening = asyncio.create_task(streams.open_stream("0xbee", "an-assignment", 1))
    request = await asked.get()
    bee = BeesEnd(request.stream_id)
    await bee.connect()
    (await opening).close()

    for stream_id in (request.stream_id, "guessed"):
        other = BeesEnd(stream_id)
        await other.connect()
        assert (await other.hear())["code"] == NOBODY_WAITS
    await bee.hang_up()


async def test_it_does_not_wait_for_ever(
    asked: asyncio.Queue[OpenStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ANSWER_WITHIN_S", 0.05)

    with pytest.raises(streams.StreamUnavailable, match="did not answer"):
        await streams.open_stream("0xbee", "an-assignment", 1)
    assert streams.meet((await asked.get()).stream_id) is None


async def test_a_reader_who_does_not_read_holds_the_bee_back(asked: asyncio.Queue[OpenStream]) -> None:
    opening = asyncio.create_task(streams.open_stream("0xbee", "an-assignment", 1))
    bee = BeesEnd((await asked.get()).stream_id)
    await bee.connect()
    ours = await opening
    sent = 200
    for number in range(sent):
        await bee.say(bytes([number]) * 32768)

    received = b""
    while len(received) < sent * 32768:
        received += await asyncio.get_running_loop().sock_recv(ours, 1 << 20)

    assert received == b"".join(bytes([number]) * 32768 for number in range(sent))
    ours.close()
    await bee.hang_up()
