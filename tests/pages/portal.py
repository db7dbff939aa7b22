"""The whole portal on a port, in the test's own event loop: pages, sockets, and the Bee's streams."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import uvicorn
from channels.layers import get_channel_layer
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import override_settings

from agent.access import Access
from agent.console import serve_stream
from agent.host_key import private_key_path
from agent.protocol import OpenStream, decode_from_queen
from agent.runtimes.guarded.pseudo_terminal import open_pseudo_terminal
from agent.runtimes.terminal import DescriptorTerminal
from apps.nodes.links import LINKS
from apps.teams.models import User


@asynccontextmanager
async def portal_at_work() -> AsyncIterator[int]:
    """Yields the port."""
    from hive_portal.asgi import application

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        port = listener.getsockname()[1]
        with override_settings(HIVE_PORTAL_URL=f"http://localhost:{port}"):
            yield port
    finally:
        server.should_exit = server.force_exit = True
        await serving
        listener.close()


def session_of(user: User) -> str:
    """The key of a session in which this user is signed in. Call it off the event loop."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


class ShellRuntime:
    """A stand-in for what runs replicas: a real shell of this machine, and a log of 500 lines and more."""

    async def terminal(self, run: object, command: str | None, columns: int, rows: int) -> DescriptorTerminal:
        return open_pseudo_terminal(["setsid", "-c", "/bin/sh"], columns, rows)

    async def logs_after(self, run: object, mark: str, tail: int) -> tuple[bytes, str]:
        """One more line with each question."""
        number = int(mark or 500)
        return (await self.logs(run, tail) if not mark else b"line %d\n" % number), str(number + 1)

    async def logs(self, run: object, tail: int) -> bytes:
        return b"".join([b"line %d\n" % number for number in range(1, 501)][-tail:])


@asynccontextmanager
async def bee_at_work(node_id: str, *, port: int, home: object) -> AsyncIterator[None]:
    """The Bee's own console server, told to open streams as the link would tell it."""
    answering = asyncio.create_task(_answer(node_id, port, home))
    try:
        yield
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


async def _answer(node_id: str, port: int, home: object) -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(LINKS, channel)
    async with asyncio.TaskGroup() as streams:
        while True:
            hint = await layer.receive(channel)
            if hint["type"] != "open_stream" or hint["node"] != node_id:
                continue
            stream = decode_from_queen(hint["frame"])
            assert isinstance(stream, OpenStream)
            access = Access(run=SimpleNamespace(run_id="a-run"), runtime=ShellRuntime())  # type: ignore[arg-type]
            streams.create_task(
                serve_stream(
                    socket_url=f"ws://127.0.0.1:{port}",
                    stream=stream,
                    access=access,
                    host_key=private_key_path(home),  # type: ignore[arg-type]
                )
            )
