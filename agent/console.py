"""A shell inside a replica, by SSH end to end, over a second WebSocket that the Bee dials when it is told to.

Queen -- WebSocket bytes -- socket pair -- SSH server -- terminal in the replica. The portal carries the
bytes; the Bee needs no open port. The SSH server asks for the assignment's id as user name and the stream's
id as password. That id is made by the Queen for this one stream, can't be guessed (it is a capability),
travels to the Bee over the link on which both have proved themselves, and dies with the stream. A client key
would need a second way to tell the Bee which keys to trust, and would prove no more. The other direction is
pinned: the Queen knows this Bee's host key from its `Hello`.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
from contextlib import suppress
from pathlib import Path

import asyncssh
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from agent import logs
from agent.access import Access
from agent.protocol import OpenStream
from agent.runtimes.base import RuntimeFault, Terminal

log = logging.getLogger("hive.agent")

_CHUNK_BYTES = 32 * 1024
_LOGIN_S = 15


async def serve_stream(*, socket_url: str, stream: OpenStream, access: Access, host_key: Path) -> None:
    """Dial the stream and serve SSH on it until either side ends it. Raises nothing."""
    url = f"{socket_url}/bee/stream/{stream.stream_id}/"
    try:
        async with connect(url, compression=None) as websocket:
            await serve_ssh(websocket, stream=stream, access=access, host_key=host_key)
    except (OSError, WebSocketException, asyncssh.Error) as error:
        log.warning("console for %s ended: %s", stream.assignment_id, error)


async def serve_ssh(
    websocket: ClientConnection, *, stream: OpenStream, access: Access, host_key: Path
) -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    pump = asyncio.create_task(_pump(websocket, near))
    try:
        connection = await asyncssh.run_server(
            far,
            server_factory=lambda: _Server(stream),
            process_factory=lambda process: _serve(process, access),
            server_host_keys=[str(host_key)],
            encoding=None,
            line_editor=False,
            login_timeout=_LOGIN_S,
            keepalive_interval=30,
            server_version="GolemHive",
        )
        await connection.wait_closed()
    finally:
        pump.cancel()
        near.close()


class _Server(asyncssh.SSHServer):
    def __init__(self, stream: OpenStream) -> None:
        self._stream = stream

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        known = hmac.compare_digest(password.encode(), self._stream.stream_id.encode())
        return known and username == self._stream.assignment_id


async def _serve(process: asyncssh.SSHServerProcess[bytes], access: Access) -> None:
    if process.subsystem is None:
        await _serve_shell(process, access)
    elif process.subsystem == logs.SUBSYSTEM:
        await logs.serve_logs(process, access)
    else:
        await _refuse(process, f"this bee has no subsystem {process.subsystem}")


async def _serve_shell(process: asyncssh.SSHServerProcess[bytes], access: Access) -> None:
    if access.run is None or access.runtime is None or access.refusal:
        return await _refuse(process, access.refusal)
    columns, rows, *_ = process.term_size
    try:
        terminal = await access.runtime.terminal(access.run, process.command, columns or 80, rows or 24)
    except RuntimeFault as fault:
        return await _refuse(process, str(fault))
    typing = asyncio.create_task(_type(process, terminal))
    try:
        while output := await terminal.read():
            process.stdout.write(output)
            await process.stdout.drain()
        status = await terminal.wait()
        process.exit(status if status >= 0 else 128 - status)
    except (asyncssh.Error, OSError, RuntimeFault) as error:
        log.info("a shell ended: %s", error)
    finally:
        typing.cancel()
        await terminal.close()


async def _type(process: asyncssh.SSHServerProcess[bytes], terminal: Terminal) -> None:
    """From the client to the shell: keys, and new window sizes in between."""
    while True:
        try:
            data = await process.stdin.read(_CHUNK_BYTES)
        except asyncssh.TerminalSizeChanged as size:
            await terminal.resize(size.width, size.height)
            continue
        except (asyncssh.BreakReceived, asyncssh.SignalReceived):
            data = b"\x03"
        if not data:
            return await terminal.write(b"\x04")
        await terminal.write(data)


async def _refuse(process: asyncssh.SSHServerProcess[bytes], reason: str) -> None:
    process.stderr.write(f"{reason}\r\n".encode())
    process.exit(1)


async def _pump(websocket: ClientConnection, near: socket.socket) -> None:
    """Bytes both ways, each waiting for the other side to take them. The first end of either ends both."""
    reader, writer = await asyncio.open_connection(sock=near)

    async def outward() -> None:
        while data := await reader.read(_CHUNK_BYTES):
            await websocket.send(data)

    async def inward() -> None:
        with suppress(ConnectionError):  # the SSH server has hung up
            async for frame in websocket:
                writer.write(frame if isinstance(frame, bytes) else frame.encode())
                await writer.drain()

    try:
        ways = [asyncio.create_task(outward()), asyncio.create_task(inward())]
        _, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in pending:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    except ConnectionClosed:
        pass
    finally:
        writer.close()
        await websocket.close()
