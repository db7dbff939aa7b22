"""A console in the browser: WebSocket, Channels, SSH, the Bee's own console server, a real shell."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from channels.db import database_sync_to_async
from websockets.asyncio.client import ClientConnection, connect

from agent.host_key import public_key_line
from apps.deployments import terminals
from apps.nodes import streams
from apps.nodes.models import Node
from apps.teams.models import AuditLine, Member, Role, User
from tests.pages.portal import bee_at_work, portal_at_work, session_of
from tests.pages.scenery import Scenery

pytestmark = pytest.mark.django_db(transaction=True)


@database_sync_to_async
def pin(scenery: Scenery, home: Path) -> str:
    """The node of the replica has the key that lies in `home`."""
    home.mkdir(parents=True, exist_ok=True)
    node_id = scenery.replica.assignments.get().node_id
    Node.objects.filter(pk=node_id).update(ssh_host_key=public_key_line(home))
    return str(node_id)


class Terminal:
    """What the browser's end does, without a screen."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self.output, self.told = socket, b"", list[dict[str, Any]]()

    async def hear(self) -> None:
        frame = await asyncio.wait_for(self.socket.recv(), 10)
        if isinstance(frame, bytes):
            self.output += frame
            await self.socket.send(json.dumps({"type": "ack", "bytes": len(self.output)}))
        else:
            self.told.append(json.loads(frame))

    async def until(self, word: bytes) -> None:
        while word not in self.output:
            await self.hear()

    async def message(self, kind: str) -> dict[str, Any]:
        while not (found := [message for message in self.told if message["type"] == kind]):
            await self.hear()
        return found[0]


async def dial(port: int, scenery: Scenery, user: User) -> ClientConnection:
    session = await database_sync_to_async(session_of)(user)
    origin = f"http://localhost:{port}"
    return await connect(
        f"ws://localhost:{port}/live/replicas/{scenery.replica.pk}/console/?columns=100&rows=30",
        additional_headers={"Cookie": f"sessionid={session}", "Origin": origin},
    )


def console_lines() -> list[AuditLine]:
    return list(AuditLine.objects.filter(after__startswith="console"))


async def test_it_is_a_shell_in_the_replica(scenery: Scenery, teammate: User, tmp_path: Path) -> None:
    node_id = await pin(scenery, tmp_path)
    async with (
        portal_at_work() as port,
        bee_at_work(node_id, port=port, home=tmp_path),
        await dial(port, scenery, teammate) as socket,
    ):
        terminal = Terminal(socket)
        await terminal.message("open")
        await socket.send(b"stty size\n")
        await terminal.until(b"30 100")
        await socket.send(json.dumps({"type": "resize", "columns": 132, "rows": 50}))
        await socket.send(b"sleep 0.2; stty size\n")
        await terminal.until(b"50 132")
        await socket.send(b"exit 3\n")
        assert (await terminal.message("exit"))["status"] == 3
    lines = await database_sync_to_async(
        lambda: list(AuditLine.objects.filter(after__startswith="console"))
    )()
    assert [line.after for line in reversed(lines)] == ["console opened", "console closed"]
    assert {line.actor for line in lines} == {"user:tim"}
    assert "exit code 3" in lines[0].reason


async def test_it_waits_for_a_browser_that_is_behind(scenery: Scenery, owner: User, tmp_path: Path) -> None:
    node_id = await pin(scenery, tmp_path)
    async with (
        portal_at_work() as port,
        bee_at_work(node_id, port=port, home=tmp_path),
        await dial(port, scenery, owner) as socket,
    ):
        await Terminal(socket).message("open")
        await socket.send(b"head -c 3000000 /dev/zero | tr '\\0' x; echo; echo END; exit\n")
        seen = 0
        with pytest.raises(TimeoutError):
            # Nothing is acknowledged, so the window is all that comes.
            while True:
                seen += len(await asyncio.wait_for(socket.recv(), 1.5))
        assert seen <= terminals.WINDOW_BYTES + terminals.CHUNK_BYTES * 2
        await socket.send(json.dumps({"type": "ack", "bytes": seen}))
        rest = Terminal(socket)
        rest.output = b"x" * seen
        await rest.until(b"END\r\n")
        assert len(rest.output) > 3_000_000


async def test_it_refuses_a_bee_with_another_key(scenery: Scenery, owner: User, tmp_path: Path) -> None:
    node_id = await pin(scenery, tmp_path / "pinned")
    await database_sync_to_async(public_key_line)(_made(tmp_path / "other"))
    async with (
        portal_at_work() as port,
        bee_at_work(node_id, port=port, home=tmp_path / "other"),
        await dial(port, scenery, owner) as socket,
    ):
        error = await Terminal(socket).message("error")
        assert "not the pinned one" in error["message"]


async def test_it_says_so_when_the_bee_does_not_answer(
    scenery: Scenery, owner: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ANSWER_WITHIN_S", 0.2)
    await pin(scenery, tmp_path)
    async with portal_at_work() as port, await dial(port, scenery, owner) as socket:
        assert "did not answer" in (await Terminal(socket).message("error"))["message"]


@pytest.mark.parametrize("who", ["stranger", "viewer"])
async def test_it_does_not_exist_for_others(scenery: Scenery, stranger: User, who: str) -> None:
    if who == "viewer":
        await database_sync_to_async(Member.objects.create)(
            team=scenery.team, user=stranger, role=Role.VIEWER
        )
    async with portal_at_work() as port, await dial(port, scenery, stranger) as socket:
        await socket.wait_closed()
        assert socket.close_code == 4404


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
