"""The Queen's end of a Bee's link: challenge, hello, welcome; then frames to the inbox, wanted sets back."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from agent.protocol import (
    MAX_FRAME_BYTES,
    FromBee,
    Hello,
    Message,
    Probe,
    ProtocolError,
    RefusalCode,
    Refused,
    Wanted,
    decode_from_bee,
    encode,
)
from apps.deployments.endpoints import address_of
from apps.nodes.enrolment import NodeBanned
from apps.nodes.links import group_of
from hive_portal.admission import admit, challenge, leave, refused
from hive_portal.batches import Said
from hive_portal.database import in_database
from hive_portal.exchange import exchange
from hive_portal.wanted import wanted_for

logger = logging.getLogger("hive.switchboard")

HELLO_WITHIN_S = 10.0
REFUSED, MALFORMED, NO_HELLO = 4403, 4400, 4408
RESTARTING = 1012
CLOSE_REASONS = {
    1000: "the bee closed its link",
    1001: "the bee closed its link",
    1005: "the connection was lost",
    1006: "the connection was lost",
    1011: "the bee's agent ended",
    RESTARTING: "the portal is restarting",
}


class LinkConsumer(AsyncWebsocketConsumer):
    """`/bee/link/`: no session and no cookie; the Bee proves its key."""

    node_id: str | None = None
    close_reason: str | None = None
    sent: Wanted | None = None
    sender: asyncio.Task[None] | None = None
    hello_timer: asyncio.TimerHandle | None = None

    # -- a link's life ------------------------------------------------------------------------------------

    async def connect(self) -> None:
        self.exchange = exchange()
        self.due = asyncio.Event()
        self.nonce = "0x" + secrets.token_hex(32)
        await self.accept()
        await self.tell(await in_database(challenge, self.nonce))
        self.hello_timer = asyncio.get_running_loop().call_later(HELLO_WITHIN_S, self.give_up_waiting)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = read(text_data)
        except ProtocolError as error:
            return await self.hang_up(MALFORMED, str(error))
        if isinstance(message, Hello) != (self.node_id is None):
            expected = "hello first" if self.node_id is None else "one hello only"
            return await self.hang_up(MALFORMED, f"{type(message).__name__}: expected {expected}")
        if isinstance(message, Hello):
            await self.take_hello(message)
        elif self.node_id is not None:
            await self.take(self.node_id, message)

    async def take(self, node_id: str, message: Said | Probe) -> None:
        if not isinstance(message, Probe):
            self.exchange.inbox.put(node_id, message)
        elif echo := self.exchange.probing.echo(node_id, message):
            await self.tell(echo)

    async def take_hello(self, hello: Hello) -> None:
        self.stop_waiting()
        answer = await in_database(admit, hello, nonce=self.nonce, channel=self.channel_name, peer=self.peer)
        if isinstance(answer, Refused):
            return await self.refuse(answer, who=hello.node_id)
        self.node_id = hello.node_id
        if answer.replaces:
            await self.channel_layer.send(answer.replaces, {"type": "replaced"})
        await self.channel_layer.group_add(group_of(self.node_id), self.channel_name)
        self.exchange.add(self.node_id, self)
        await self.tell(answer.welcome)
        self.refresh()
        self.sender = asyncio.create_task(self.send_wanted(self.node_id))

    async def disconnect(self, code: int) -> None:
        self.stop_waiting()
        if self.sender is not None:
            self.sender.cancel()
        if self.node_id is None:
            return
        self.exchange.remove(self.node_id, self)
        await self.channel_layer.group_discard(group_of(self.node_id), self.channel_name)
        reason = self.close_reason or CLOSE_REASONS.get(code, f"the link closed with code {code}")
        await in_database(
            leave, node_id=self.node_id, channel=self.channel_name, reason=reason, ours=code == RESTARTING
        )

    @property
    def peer(self) -> str | None:
        """The caller's IP address; uvicorn puts the one a trusted proxy names in its place."""
        client = self.scope.get("client")
        address = address_of(client[0]) if client else None
        return str(address) if address else None

    # -- what others ask of it ----------------------------------------------------------------------------

    def refresh(self) -> None:
        """Send the wanted set soon; many asking at once get one."""
        self.due.set()

    async def nudge(self, event: dict[str, Any]) -> None:
        self.refresh()

    async def open_stream(self, event: dict[str, Any]) -> None:
        await self.send(event["frame"])

    async def replaced(self, event: dict[str, Any]) -> None:
        """Final, or two agents with one key would take the link from each other for ever."""
        reason = "a newer link with the same key took over: run one agent per key"
        await self.refuse(refused(RefusalCode.REPLACED, reason), who=self.node_id)

    # -- what it says -------------------------------------------------------------------------------------

    async def send_wanted(self, node_id: str) -> None:
        while True:
            await self.due.wait()
            self.due.clear()
            try:
                self.sent = await in_database(wanted_for, node_id, before=self.sent)
            except NodeBanned as error:
                return await self.refuse(refused(RefusalCode.BANNED, str(error)), who=node_id)
            except Exception:  # the next heartbeat asks again
                logger.exception("node %s: its wanted set could not be gathered", node_id)
                continue
            await self.tell(self.sent)

    async def tell(self, message: Message) -> None:
        frame = encode(message)
        if (size := len(frame.encode())) > MAX_FRAME_BYTES:
            # The bee would have to hang up, and would be told the same when it comes back.
            what = type(message).__name__
            return logger.error(
                "node %s: a %s of %d bytes is not sent, at most %d are taken: cordon the node",
                self.node_id,
                what,
                size,
                MAX_FRAME_BYTES,
            )
        await self.send(frame)

    async def refuse(self, refusal: Refused, *, who: str | None) -> None:
        logger.info("link of %s refused: %s", who, refusal.reason)
        self.close_reason = refusal.reason
        await self.tell(refusal)
        await self.close(REFUSED, refusal.code.value)

    async def hang_up(self, code: int, reason: str) -> None:
        if self.close_reason is not None:
            return  # what arrives after the closing is not read
        logger.warning("link of %s closed: %s", self.node_id or "an unknown bee", reason)
        self.close_reason = reason
        # A close frame holds at most 123 bytes of reason (RFC 6455, section 5.5).
        await self.close(code, reason.encode()[:120].decode(errors="ignore"))

    def give_up_waiting(self) -> None:
        self.hello_timer = None
        reason = f"no hello within {HELLO_WITHIN_S:.0f} s"
        self.goodbye = asyncio.create_task(self.hang_up(NO_HELLO, reason))

    def stop_waiting(self) -> None:
        if self.hello_timer is not None:
            self.hello_timer.cancel()
            self.hello_timer = None


def read(frame: str | None) -> FromBee:
    """Raises ProtocolError, which says what was wrong with the frame."""
    if frame is None:
        raise ProtocolError("expected a text frame")
    # PostgreSQL stores no NUL character, neither in text nor in JSON.
    if "\\u0000" in frame:
        raise ProtocolError("a NUL character in a text")
    return decode_from_bee(frame)
