"""The console of a replica in a browser: its WebSocket on one side, SSH into the replica on the other.

Binary frames are the terminal's bytes. Text frames are JSON: the browser says `resize` (columns, rows), `ack`
(bytes drawn so far) and `ping`; the Queen says `open`, `exit` (status), `error` (message) and `pong`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from apps.deployments.console import Console, ConsoleError, open_console
from apps.deployments.models import Assignment, AssignmentState
from apps.deployments.reading import NOT_FOUND, Reader
from apps.nodes.streams import StreamUnavailable, new_stream_id, open_stream
from apps.teams.audit import Actor, AuditLine
from apps.teams.reach import reachable_teams

log = logging.getLogger("hive.deployments")

CHUNK_BYTES = 32 * 1024
WINDOW_BYTES = 256 * 1024
"""Sent and not yet drawn: more is not read from the replica, which then stops writing by SSH's own window."""
TYPED_AHEAD = 256
"""Frames typed while the replica does not read."""
CHECK_EVERY_S = 30.0
LONGEST_SIDE = 1000


class ConsoleConsumer(AsyncWebsocketConsumer):
    """`live/replicas/<id>/console/?columns=&rows=`, for those who may change the deployment."""

    session: asyncio.Task[None] | None = None
    console: Console | None = None

    async def connect(self) -> None:
        self.sent = self.drawn = 0
        self.caught_up = asyncio.Event()
        self.typed: asyncio.Queue[bytes] = asyncio.Queue(TYPED_AHEAD)
        # Accepted first: a browser is told the code and the reason of an open socket only.
        await self.accept()
        if not await self.may_enter():
            await self.close(NOT_FOUND)
            return
        self.session = asyncio.create_task(self.run())

    async def disconnect(self, code: int) -> None:
        if self.session is not None:
            self.session.cancel()
            await asyncio.gather(self.session, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            if bytes_data:
                self.typed.put_nowait(bytes_data)
            elif text_data:
                message = json.loads(text_data)
                await self.heard[message["type"]](self, message)
        except asyncio.QueueFull:
            await self.fail("the replica does not read what is typed")
        except (ValueError, KeyError, TypeError):
            await self.fail("a frame that is no message of the console")

    # -- what the browser says ------------------------------------------------------------------------------

    async def resize(self, message: dict[str, Any]) -> None:
        if self.console is not None:
            self.console.resize(columns=_side(message["columns"]), rows=_side(message["rows"]))

    async def ack(self, message: dict[str, Any]) -> None:
        self.drawn = min(max(self.drawn, int(message["bytes"])), self.sent)
        if self.sent - self.drawn <= WINDOW_BYTES:
            self.caught_up.set()

    async def ping(self, message: dict[str, Any]) -> None:
        await self.tell(type="pong")

    heard: ClassVar[dict[str, Any]] = {"resize": resize, "ack": ack, "ping": ping}

    # -- the session ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """From opening to exit status, whichever side ends it."""
        assignment = await self.assignment()
        if assignment is None:
            await self.fail("nothing runs in this replica now: wait until it is healthy")
            return
        try:
            async with await self.open(assignment) as self.console:
                await self.converse(assignment, self.console)
        except (StreamUnavailable, ConsoleError) as error:
            await self.fail(str(error))
        except Exception:
            log.exception("console of replica %s", self.replica_id)
            await self.fail("the console broke: the Queen's log says how")

    async def open(self, assignment: Assignment) -> Console:
        asked = parse_qs(self.scope.get("query_string", b"").decode("ascii", "replace"))
        columns, rows = (
            _side(asked.get(name, [default])[0]) for name, default in (("columns", 80), ("rows", 24))
        )
        name, stream_id = str(assignment.pk), new_stream_id()
        end = await open_stream(assignment.node_id, name, assignment.generation, stream_id=stream_id)
        try:
            return await open_console(
                end,
                host_key=assignment.node.ssh_host_key,
                user=name,
                password=stream_id,
                columns=columns,
                rows=rows,
            )
        except BaseException:
            end.close()
            raise

    async def converse(self, assignment: Assignment, console: Console) -> None:
        await self.audit(assignment, "console opened")
        await self.tell(type="open")
        self.caught_up.set()
        helpers = [asyncio.create_task(self.type_into(console)), asyncio.create_task(self.watch())]
        ending = "closed by the reader"
        try:
            await self.show(console)
            status = await console.finished()
            ending = f"ended with exit code {status}"
            await self.tell(type="exit", status=status)
            await self.close()
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.shield(self.audit(assignment, "console closed", ending))

    async def show(self, console: Console) -> None:
        while chunk := await console.read(CHUNK_BYTES):
            await self.caught_up.wait()
            await self.send(bytes_data=chunk)
            self.sent += len(chunk)
            if self.sent - self.drawn > WINDOW_BYTES:
                self.caught_up.clear()

    async def type_into(self, console: Console) -> None:
        # A shell that has ended is told by `show`.
        with suppress(ConsoleError):
            while True:
                await console.write(await self.typed.get())

    async def watch(self) -> None:
        """Whoever loses their place in the team loses the console with it."""
        while await self.may_enter():
            await asyncio.sleep(CHECK_EVERY_S)
        await self.fail("you may no longer change this deployment")

    async def fail(self, message: str) -> None:
        await self.tell(type="error", message=message)
        await self.close()

    async def tell(self, **message: Any) -> None:
        await self.send(text_data=json.dumps(message))

    # -- the database ---------------------------------------------------------------------------------------

    @database_sync_to_async
    def may_enter(self) -> bool:
        teams = reachable_teams(Reader.of(self.scope), to_change=True)
        return teams.filter(deployments__services__replicas=self.replica_id).exists()

    @database_sync_to_async
    def assignment(self) -> Assignment | None:
        active = Assignment.objects.filter(replica=self.replica_id, state=AssignmentState.ACTIVE)
        return active.select_related("node", "replica__service__deployment").first()

    @database_sync_to_async
    def audit(self, assignment: Assignment, what: str, why: str = "") -> None:
        actor, reason = Actor.user(self.scope["user"]), why or f"on {assignment.node}"
        AuditLine.write(assignment.replica, before="", after=what, actor=actor, reason=reason)

    @property
    def replica_id(self) -> Any:
        return self.scope["url_route"]["kwargs"]["pk"]


def _side(length: Any) -> int:
    """Columns or rows within reason. Raises ValueError for what is no number."""
    return min(max(int(length), 1), LONGEST_SIDE)
