"""A terminal over a file descriptor: the master of a pty, or the socket of a container's exec."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress

_CHUNK_BYTES = 32 * 1024


class DescriptorTerminal:
    """Speaks to `descriptor` without blocking the loop; what differs by runtime is given as functions."""

    def __init__(
        self,
        descriptor: int,
        *,
        resize: Callable[[int, int], Awaitable[None]],
        wait: Callable[[], Awaitable[int]],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._resize, self._wait, self._close = resize, wait, close

    async def read(self) -> bytes:
        while True:
            try:
                return os.read(self._descriptor, _CHUNK_BYTES)
            except BlockingIOError:
                await self._until(readable=True)
            except OSError:  # EIO: the last process on the terminal has ended
                return b""

    async def write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                await self._until(readable=False)
            except OSError:
                return

    async def resize(self, columns: int, rows: int) -> None:
        await self._resize(columns, rows)

    async def wait(self) -> int:
        return await self._wait()

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(ValueError, OSError):
            loop.remove_reader(self._descriptor)
            loop.remove_writer(self._descriptor)
        await self._close()

    async def _until(self, *, readable: bool) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        add, remove = (
            (loop.add_reader, loop.remove_reader) if readable else (loop.add_writer, loop.remove_writer)
        )
        add(self._descriptor, _settle, ready)
        try:
            await ready
        finally:
            remove(self._descriptor)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
