"""The Bee's side of a stream: bytes between its second WebSocket and the socket of whoever asked for it.

Back-pressure holds both ways. Towards the asker the next frame is not read before the last one is written;
towards the Bee the asker's bytes are not read before the WebSocket has taken the ones before.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from channels.generic.websocket import AsyncWebsocketConsumer

from apps.nodes.streams import meet

CHUNK_BYTES = 32 * 1024
NOBODY_WAITS = 4404


class StreamConsumer(AsyncWebsocketConsumer):
    """`/bee/stream/<stream_id>/`: binary frames, no session; the id itself opens the door, once."""

    end: socket.socket | None = None
    reader: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()
        self.end = meet(self.scope["url_route"]["kwargs"]["stream_id"])
        if self.end is None:
            await self.close(NOBODY_WAITS, "nobody waits for this stream")
            return
        self.reader = asyncio.create_task(self.read(self.end))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.end is None or not bytes_data:
            return
        try:
            await asyncio.get_running_loop().sock_sendall(self.end, bytes_data)
        except OSError:
            await self.close(1000, "the console was closed")

    async def read(self, end: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while chunk := await loop.sock_recv(end, CHUNK_BYTES):
                await self.send(bytes_data=chunk)
        await self.close(1000, "the console was closed")

    async def disconnect(self, code: int) -> None:
        if self.reader is not None:
            self.reader.cancel()
            # A socket may be closed only when nobody waits for it any more.
            await asyncio.gather(self.reader, return_exceptions=True)
        if self.end is not None:
            self.end.close()
