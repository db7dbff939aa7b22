"""The Queen's end of a console: an SSH client over a stream that the Bee has dialled, its host key pinned.

The Bee proves itself by the key which this node enrolled with; the Queen by the stream's one-time id, which
only the two of them know.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from types import TracebackType
from typing import Self

import asyncssh

OPEN_TIMEOUT_S = 10.0
EXIT_WITHIN_S = 2.0


class ConsoleError(Exception):
    """Why there is no console; its text is for the person who asked for one."""


class Console:
    """A shell in a replica: bytes in, bytes out, until either side closes."""

    def __init__(
        self, connection: asyncssh.SSHClientConnection, process: asyncssh.SSHClientProcess[bytes]
    ) -> None:
        self._connection = connection
        self._process = process

    async def read(self, size: int = 65536) -> bytes:
        """What the shell wrote; b"" when it has ended."""
        try:
            return await self._process.stdout.read(size)
        except (OSError, asyncssh.Error):
            return b""

    async def write(self, data: bytes) -> None:
        """Raises ConsoleError when the shell has ended."""
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (OSError, asyncssh.Error) as error:
            raise ConsoleError(f"the console is closed: {error}") from None

    def resize(self, *, columns: int, rows: int) -> None:
        self._process.change_terminal_size(columns, rows)

    @property
    def exit_status(self) -> int | None:
        """Of the shell; None while it runs, or when it never said."""
        return self._process.returncode

    async def finished(self) -> int | None:
        """The exit status, which may come a moment after the last byte; None when it does not."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait_closed(), EXIT_WITHIN_S)
        return self.exit_status

    async def close(self) -> None:
        self._process.close()
        self._connection.close()
        await self._connection.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def open_console(
    sock: socket.socket,
    *,
    host_key: str,
    user: str = "hive",
    password: str = "",
    command: str | None = None,
    columns: int = 80,
    rows: int = 24,
) -> Console:
    """A shell (or `command`) in the replica at the other end of this connected socket.

    Args:
        host_key: `Node.ssh_host_key`, an OpenSSH public key line; any other key is refused.
        user: the assignment's id.
        password: the stream's id.

    Raises:
        ConsoleError: with what went wrong.
    """
    connection = await connect(sock, host_key, user, password)
    try:
        process = await connection.create_process(
            command,
            term_type="xterm-256color",
            term_size=(columns, rows),
            encoding=None,
            # A refusal of the Bee comes on the error stream: one terminal shows both.
            stderr=asyncssh.STDOUT,
        )
    except (OSError, asyncssh.Error) as error:
        connection.close()
        raise ConsoleError(f"the bee opened no shell: {error}") from None
    return Console(connection, process)


async def connect(
    sock: socket.socket, host_key: str, user: str, password: str
) -> asyncssh.SSHClientConnection:
    """The Bee at the other end, once it has proved its key. Raises ConsoleError."""
    try:
        pinned = asyncssh.import_public_key(host_key)
        return await asyncssh.connect(
            # A pair of sockets has no address; without a name asyncssh would ask for one.
            host="replica",
            sock=sock,
            config=None,
            username=user,
            known_hosts=([pinned], [], []),
            client_keys=None,
            password=password,
            agent_path=None,
            login_timeout=OPEN_TIMEOUT_S,
            connect_timeout=OPEN_TIMEOUT_S,
        )
    except asyncssh.KeyImportError:
        raise ConsoleError("this bee has told no console key") from None
    except asyncssh.HostKeyNotVerifiable:
        raise ConsoleError("the other end is not this bee: its key is not the pinned one") from None
    except (OSError, TimeoutError, asyncssh.Error) as error:
        raise ConsoleError(f"the bee could not be reached: {error}") from None
