"""The Queen's end of a Bee's link: challenge, hello, welcome; then frames to the inbox, wanted sets back."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from agent.protocol import (
    MAX_FRAME_BYTES,
    FromBee,
    Hello,
    Message,
    Observed,
    Pong,
    Probe,
    ProtocolError,
    RefusalCode,
    Refused,
    Wanted,
    decode_from_bee,
    encode,
)
from apps.deployments.endpoints import address_of
from apps.nodes.presence import Closed
from apps.nodes.silence import REATTACH_S
from hive_portal.admission import Knock, challenge, refused
from hive_portal.batches import Said
from hive_portal.database import in_database
from hive_portal.exchange import Exchange, exchange
from hive_portal.pacing import Pace
from hive_portal.timing import Timed, Timing
from hive_portal.wanted import bears_something, needs_telling

logger = logging.getLogger("hive.switchboard")

HELLO_WITHIN_S = 10.0
REFUSED, MALFORMED, NO_HELLO = 4403, 4400, 4408
RESTARTING = 1012
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""Not a backslash that somebody wrote before the letters: any payload can print those."""
CLOSE_REASONS = {
    1000: "the bee closed its link",
    1001: "the bee closed its link",
    1005: "the connection was lost",
    1006: "the connection was lost",
    1011: "the bee's agent ended",
    RESTARTING: "the portal is restarting",
}


Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]


async def bee_link(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """`/bee/link/`: no session and no cookie; the Bee proves its key. An ASGI application."""
    await Link(send, exchange(), peer=_peer(scope)).live(receive)


class Link:
    """One Bee's link. There are thousands: it has no task of its own but the one that reads, and no queue."""

    __slots__ = (
        "_behind",
        "_challenged_at_s",
        "_exchange",
        "_heeded",
        "_hello_timer",
        "_nonce",
        "_pace",
        "_peer",
        "_send",
        "_sending",
        "_timing",
        "_told_at_s",
        "_waits",
        "channel",
        "close_reason",
        "node_id",
        "told",
    )

    def __init__(self, send: Send, exchange: Exchange, *, peer: str | None = None) -> None:
        self._send = send
        self._exchange = exchange
        self._peer = peer
        self._pace = Pace()
        self.channel = secrets.token_hex(16)
        """Names this link among all of all processes."""
        self._nonce = "0x" + secrets.token_hex(32)
        self._challenged_at_s = 0.0
        self._timing = Timing(math.inf)
        self.node_id: str | None = None
        self.close_reason: str | None = None
        self.told: Wanted | None = None
        self._told_at_s = 0.0
        self._heeded = -1
        """The newest revision on which the Bee says it acts."""
        self._sending: asyncio.Task[None] | None = None
        self._behind = False
        """Something was to be told while the last frame was still being sent."""
        self._hello_timer: asyncio.TimerHandle | None = None
        self._waits = False
        """On the doorstep: it has not said hello."""

    # -- a link's life ------------------------------------------------------------------------------------

    async def live(self, receive: Receive) -> None:
        code = 1006
        try:
            await receive()  # websocket.connect
            if not self.enter():
                return await self._send({"type": "websocket.close"})  # not accepted yet: answered 403
            await self.greet()
            while (event := await receive())["type"] == "websocket.receive":
                await self.hear(event.get("text"))
            code = event.get("code", code)
        except OSError:
            pass  # the Bee was gone when something was sent to it
        finally:
            await self.end(code)

    def enter(self) -> bool:
        """False when too many from its address wait already. Who enters waits until `stop_waiting`."""
        self._waits = self._exchange.doorstep.enter(self._peer)
        return self._waits

    async def greet(self) -> None:
        await self._send({"type": "websocket.accept"})
        question = await in_database(challenge, self._nonce)
        self._challenged_at_s = time.monotonic()
        await self.tell(question)
        self._hello_timer = asyncio.get_running_loop().call_later(HELLO_WITHIN_S, self.give_up_waiting)

    async def hear(self, frame: str | None) -> None:
        if self.close_reason is not None:
            return  # what arrives after the closing is not read
        heard_at_s = time.monotonic()
        if wait_s := self._pace.wait_s(len(frame or ""), heard_at_s):
            await asyncio.sleep(wait_s)
        try:
            message = read(frame)
        except ProtocolError as error:
            return await self.hang_up(MALFORMED, str(error))
        if isinstance(message, Hello) != (self.node_id is None):
            expected = "hello first" if self.node_id is None else "one hello only"
            return await self.hang_up(MALFORMED, f"{type(message).__name__}: expected {expected}")
        if isinstance(message, Hello):
            await self.take_hello(message, heard_at_s)
        elif isinstance(message, Pong):
            await self.take_pong(message, heard_at_s)
        elif self.node_id is not None:
            await self.take(self.node_id, message)

    async def take_hello(self, hello: Hello, heard_at_s: float) -> None:
        self.stop_waiting()
        self._exchange.expect(self)
        self._timing = Timing((heard_at_s - self._challenged_at_s) * 1000)
        knock = Knock(
            hello=hello,
            nonce=self._nonce,
            channel=self.channel,
            peer=self._peer,
            round_trip_ms=self._timing.least_ms,
        )
        answer = await self._exchange.arrivals.ask(knock)
        if isinstance(answer, Refused):
            return await self.refuse(answer, who=hello.node_id)
        self.node_id = hello.node_id
        if self.close_reason is None:
            await self.tell(answer)
            self._exchange.add(self.node_id, self)

    async def take_pong(self, pong: Pong, heard_at_s: float) -> None:
        if self.node_id is not None and self._timing.hear(pong, heard_at_s):
            timed = Timed(self.node_id, self.channel, self._timing.least_ms)
            await self._exchange.timed.ask(timed)

    async def take(self, node_id: str, message: Said | Probe) -> None:
        if isinstance(message, Probe):
            if echo := self._exchange.probing.echo(node_id, message):
                await self.tell(echo)
            return
        if isinstance(message, Observed):
            self._heeded = message.revision
            if ping := self._timing.ask(time.monotonic()):
                await self.tell(ping)
        self._exchange.inbox.put(node_id, message)

    async def end(self, code: int) -> None:
        self.stop_waiting()
        self._exchange.remove(self.node_id, self)
        if self.node_id is not None:
            reason = self.close_reason or CLOSE_REASONS.get(code, f"the link closed with code {code}")
            # While the portal itself restarts, the Bee has time to call again.
            grace_s = REATTACH_S if code == RESTARTING else None
            closed = Closed(node_id=self.node_id, channel=self.channel, reason=reason, grace_s=grace_s)
            await self._exchange.departures.ask(closed)

    # -- what others ask of it ----------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Nothing is wanted of its node, and the node knows it."""
        told = self.told
        return told is not None and told.revision == self._heeded and not bears_something(told)

    def inform(self, message: Wanted | Refused) -> None:
        """Send it; while the last frame still waits for the Bee to read, it is gathered anew afterwards."""
        if self.close_reason is not None:
            return
        if self._sending is not None:
            self._behind = True
            return
        if isinstance(message, Refused):
            return self._start(self.refuse(message, who=self.node_id))
        now_s = time.monotonic()
        if needs_telling(message, told=self.told, heeded=self._heeded, silent_s=now_s - self._told_at_s):
            self.told, self._told_at_s = message, now_s
            self._start(self.tell(message))

    def hand_over(self, frame: str) -> None:
        self._start(self._send({"type": "websocket.send", "text": frame}))

    def replaced(self) -> None:
        """Final, or two agents with one key would take the link from each other for ever."""
        reason = "a newer link with the same key took over: run one agent per key"
        self._start(self.refuse(refused(RefusalCode.REPLACED, reason), who=self.node_id))

    def _start(self, sending: Coroutine[Any, Any, None]) -> None:
        self._sending = asyncio.create_task(self._finish(sending))

    async def _finish(self, sending: Coroutine[Any, Any, None]) -> None:
        with suppress(OSError):  # the Bee is gone, and whoever reads from it will notice
            await sending
        self._sending = None
        if self._behind and self.node_id is not None:
            self._behind = False
            self._exchange.informer.refresh([self.node_id])

    # -- what it says -------------------------------------------------------------------------------------

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
        await self._send({"type": "websocket.send", "text": frame})

    async def refuse(self, refusal: Refused, *, who: str | None) -> None:
        logger.info("link of %s refused: %s", who, refusal.reason)
        self.close_reason = refusal.reason
        await self.tell(refusal)
        await self.close(REFUSED, refusal.code.value)

    async def hang_up(self, code: int, reason: str) -> None:
        if self.close_reason is not None:
            return
        logger.warning("link of %s closed: %s", self.node_id or "an unknown bee", reason)
        self.close_reason = reason
        # A close frame holds at most 123 bytes of reason (RFC 6455, section 5.5).
        await self.close(code, reason.encode()[:120].decode(errors="ignore"))

    async def close(self, code: int, reason: str) -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def give_up_waiting(self) -> None:
        self._hello_timer = None
        self._start(self.hang_up(NO_HELLO, f"no hello within {HELLO_WITHIN_S:.0f} s"))

    def stop_waiting(self) -> None:
        if self._waits:
            self._waits = False
            self._exchange.doorstep.leave(self._peer)
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None


def _peer(scope: dict[str, Any]) -> str | None:
    """The caller's IP address; uvicorn puts the one a trusted proxy names in its place."""
    client = scope.get("client")
    address = address_of(client[0]) if client else None
    return str(address) if address else None


def read(frame: str | None) -> FromBee:
    """Raises ProtocolError, which says what was wrong with the frame."""
    if frame is None:
        raise ProtocolError("expected a text frame")
    # PostgreSQL stores no NUL character, neither in text nor in JSON.
    if "\\u0000" in frame and _NUL.search(frame):
        raise ProtocolError("a NUL character in a text")
    return decode_from_bee(frame)
