"""A shell in a replica: a real SSH client, over a real WebSocket, to a real agent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from agent.protocol import Assignment
from tests.agent.queen_double import QueenDouble
from tests.agent.test_it_lives import placed

pytestmark = pytest.mark.real


@asynccontextmanager
async def carried(websocket: ServerConnection) -> AsyncIterator[socket.socket]:
    """The Queen's end of the stream as a socket, its bytes carried to and from the WebSocket."""
    near, far = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=near)

    async def outward() -> None:
        while data := await reader.read(4096):
            await websocket.send(data)

    async def inward() -> None:
        try:
            async for frame in websocket:
                assert isinstance(frame, bytes)
                writer.write(frame)
        except ConnectionClosed:
            pass
        writer.close()

    tasks = [asyncio.create_task(outward()), asyncio.create_task(inward())]
    try:
        yield far
    finally:
        for task in tasks:
            task.cancel()
        await websocket.close()


@asynccontextmanager
async def console(
    queen: QueenDouble, given: Assignment, **changes: Any
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    stream_id, websocket = await queen.open_stream(given)
    pinned = queen.hellos[-1].info.ssh_host_key
    async with carried(websocket) as sock:
        options = {
            "username": given.assignment_id,
            "password": stream_id,
            "known_hosts": asyncssh.import_known_hosts(f"* {pinned}"),
            "client_keys": None,
            "config": None,
        }
        async with asyncssh.connect("bee", sock=sock, **(options | changes)) as connection:
            yield connection


async def test_it_opens_a_shell_that_knows_its_replica(queen: QueenDouble, running_bee: Any) -> None:
    async with running_bee(), console(queen, await placed(queen)) as connection:
        shell = await connection.create_process(term_type="xterm", term_size=(90, 25), encoding=None)
        shell.stdin.write(b"echo I am $HIVE_REPLICA; stty size\n")
        assert b"I am web-1" in await _until(shell, b"25 90")
        shell.change_terminal_size(120, 40)
        shell.stdin.write(b"stty size\n")
        await _until(shell, b"40 120")
        shell.stdin.write(b"exit 42\n")
        result = await shell.wait()
        assert result.exit_status == 42


async def test_it_runs_a_single_command(queen: QueenDouble, running_bee: Any) -> None:
    async with running_bee(), console(queen, await placed(queen)) as connection:
        result = await connection.run("echo $HIVE_GENERATION; exit 3")
        assert (str(result.stdout).strip(), result.exit_status) == ("1", 3)


@pytest.mark.parametrize("changes", [{"password": "guessed"}, {"username": "another"}])
async def test_it_lets_in_only_who_knows_the_stream(
    queen: QueenDouble, running_bee: Any, changes: dict[str, str]
) -> None:
    async with running_bee():
        given = await placed(queen)
        with pytest.raises(asyncssh.PermissionDenied):
            async with console(queen, given, **changes):
                pass


async def test_it_shows_the_key_it_named_when_it_signed_in(queen: QueenDouble, running_bee: Any) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    async with running_bee():
        given = await placed(queen)
        with pytest.raises(asyncssh.HostKeyNotVerifiable):
            async with console(queen, given, known_hosts=asyncssh.import_known_hosts(f"* {other}")):
                pass


async def test_it_says_when_there_is_nothing_to_open(queen: QueenDouble, running_bee: Any) -> None:
    async with running_bee():
        given = await placed(queen)
        await queen.want()
        await queen.until(lambda: queen.is_seen(given, "stopped"))
        async with console(queen, given) as connection:
            result = await connection.run("id")
            assert (str(result.stderr).strip(), result.exit_status) == (
                "this replica does not run here now",
                1,
            )


async def _until(shell: asyncssh.SSHClientProcess[bytes], what: bytes) -> bytes:
    output = b""
    async with asyncio.timeout(5):
        while what not in output:
            output += await shell.stdout.read(4096)
    return output
