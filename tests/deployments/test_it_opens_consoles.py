"""A console is SSH over a socket that is already there; only the pinned key is believed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import asyncssh
import pytest

from apps.deployments.console import Console, ConsoleError, open_console

KEY = asyncssh.generate_private_key("ssh-ed25519")


class Server(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False  # the stream is the Bee's own


async def shell(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Echoes what it is told, in capitals, and its terminal's size when that changes."""
    process.stdout.write(
        f"{process.command or 'shell'} {process.term_type} {process.term_size[:2]}\n".encode()
    )
    while True:
        try:
            data = await process.stdin.read(1024)
        except asyncssh.TerminalSizeChanged as change:
            process.stdout.write(f"{change.width}x{change.height}\n".encode())
            continue
        if not data or b"exit" in data:
            break
        process.stdout.write(data.upper())
    process.exit(3)


@pytest.fixture
async def sock() -> AsyncIterator[socket.socket]:
    """The Queen's end of a stream, with a Bee's SSH server at the other."""
    ours, theirs = socket.socketpair()
    serving = asyncio.create_task(serve(theirs))
    yield ours
    serving.cancel()
    ours.close()


async def serve(sock: socket.socket) -> None:
    await asyncssh.run_server(
        sock, server_factory=Server, server_host_keys=[KEY], process_factory=shell, encoding=None
    )


def public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode()


async def said(console: Console, wanted: bytes) -> bytes:
    heard = b""
    async with asyncio.timeout(5):
        while wanted not in heard:
            heard += await console.read()
    return heard


async def test_it_carries_bytes_and_sizes(sock: socket.socket) -> None:
    async with await open_console(sock, host_key=public(KEY), columns=100, rows=30) as console:
        await said(console, b"shell xterm-256color (100, 30)")
        await console.write(b"hello")
        await said(console, b"HELLO")
        console.resize(columns=120, rows=40)
        await said(console, b"120x40")
        await console.write(b"exit")
        while await console.read():
            pass
        assert console.exit_status == 3


async def test_it_runs_one_command(sock: socket.socket) -> None:
    async with await open_console(sock, host_key=public(KEY), command="ls -l") as console:
        await said(console, b"ls -l")


async def test_it_refuses_any_other_key(sock: socket.socket) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    with pytest.raises(ConsoleError, match="its key is not the pinned one"):
        await open_console(sock, host_key=public(other))


@pytest.mark.parametrize("host_key", ["", "nonsense"])
async def test_it_needs_a_key_to_believe(sock: socket.socket, host_key: str) -> None:
    with pytest.raises(ConsoleError, match="has told no console key"):
        await open_console(sock, host_key=host_key)


async def test_it_says_when_nobody_is_there() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(ConsoleError, match="could not be reached"):
        await open_console(ours, host_key=public(KEY))
