"""A double of the Queen's side of the link: a real WebSocket server, but no market, no database, no chain.

It is a double because these tests are about the Bee alone and have to command things that the real Queen
decides by herself: refuse, fall silent, repeat, take a lease away. What the two really say to each other is
tested in `tests/switchboard`.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from eth_account import Account
from msgspec.structs import replace
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from agent import clock, typed_data
from agent.protocol import (
    AgreementToSign,
    Answer,
    Answers,
    Assignment,
    Challenge,
    DebitNote,
    DebitNotes,
    Hello,
    NoteAck,
    Observed,
    ObservedAssignment,
    Offer,
    Offers,
    OpenStream,
    Ping,
    Pong,
    Price,
    RefusalCode,
    Refused,
    Terms,
    Usage,
    UsageAck,
    UsageReports,
    Wanted,
    Welcome,
    Workload,
    decode_from_bee,
    encode,
)

CHAIN_ID = 31337


@dataclass
class QueenDouble:
    heartbeat_s: float = 0.2
    metering_interval_s: float = 0.5
    ahead_s: float = 0
    """By how much her clock is ahead of that of the machine."""
    refusal: Refused | None = None
    is_deaf: bool = False
    """Acknowledges no usage."""
    key: Any = field(default_factory=Account.create)
    assignments: list[Assignment] = field(default_factory=list)
    agreements: dict[str, AgreementToSign] = field(default_factory=dict)
    asked: dict[str, AgreementToSign] = field(default_factory=dict)
    """All agreements that it has ever asked to be signed."""
    prices: dict[str, Price] = field(default_factory=dict)
    hellos: list[Hello] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    observed: list[Observed] = field(default_factory=list)
    usage: dict[str, dict[int, Usage]] = field(default_factory=dict)
    notes: list[DebitNote] = field(default_factory=list)
    pongs: list[int] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    streams: dict[str, asyncio.Queue[ServerConnection]] = field(default_factory=dict)
    links: list[ServerConnection] = field(default_factory=list)
    close_codes: list[int | None] = field(default_factory=list)
    """How each link ended: 1000 when the Bee said goodbye."""
    revision: int = 0
    _server: Server | None = None
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        assert self._server
        return f"http://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    @asynccontextmanager
    async def at_work(self, port: int = 0) -> AsyncIterator[QueenDouble]:
        async with serve(self._serve, "127.0.0.1", port) as self._server:
            yield self

    # -- what a test commands -------------------------------------------------------------------------------

    async def want(self, *assignments: Assignment) -> None:
        self.assignments = list(assignments)
        await self.nudge()

    async def nudge(self) -> None:
        self.revision += 1
        for link in list(self.links):
            await link.send(encode(self.wanted()))

    async def agree(
        self, *, image: str = "hive/hello:1", threads: str = "1", mem: str = "0.25", **changes: Any
    ) -> Terms:
        """Draw up an agreement on the first offer, sign it, and wait for the Bee's answer."""
        offer = await self.until(lambda: self.offers and self.offers[0])
        terms = Terms(
            agreement_id=str(uuid.uuid4()),
            requestor=self.key.address.lower(),
            provider=self.hellos[-1].node_id,
            offer_id=offer.offer_id,
            runtime=offer.runtime,
            image=image,
            cpu_threads=Decimal(threads),
            mem_gib=Decimal(mem),
            price=offer.price,
            valid_from_ms=self.now_ms(),
            expires_at_ms=self.now_ms() + 3_600_000,
        )
        terms = replace(terms, **changes)
        self.prices[terms.agreement_id] = terms.price
        signature = typed_data.sign(typed_data.agreement(terms, chain_id=CHAIN_ID), self.key)
        self.asked[terms.agreement_id] = AgreementToSign(terms=terms, requestor_signature=signature)
        self.agreements[terms.agreement_id] = self.asked[terms.agreement_id]
        await self.nudge()
        await self.until(lambda: self.answer_to(terms.agreement_id))
        self.agreements.pop(terms.agreement_id)
        return terms

    async def open_stream(self, assignment: Assignment) -> tuple[str, ServerConnection]:
        stream_id = uuid.uuid4().hex
        self.streams[stream_id] = asyncio.Queue()
        message = OpenStream(
            stream_id=stream_id, assignment_id=assignment.assignment_id, generation=assignment.generation
        )
        await self.links[-1].send(encode(message))
        async with asyncio.timeout(5):
            return stream_id, await self.streams[stream_id].get()

    async def ping(self, ping_id: int) -> None:
        await self.links[-1].send(encode(Ping(ping_id=ping_id)))

    async def cut(self) -> None:
        """As if the network went away."""
        for link in list(self.links):
            link.transport.abort()

    # -- what a test looks at -------------------------------------------------------------------------------

    async def until(self, probe: Callable[[], Any], timeout_s: float = 10) -> Any:
        """The first truthy answer of `probe`, which is asked whenever the Bee has said something."""
        async with asyncio.timeout(timeout_s):
            while not (answer := probe()):
                self._moved.clear()
                await self._moved.wait()
            return answer

    def answer_to(self, agreement_id: str) -> Answer | None:
        return next((each for each in self.answers if each.agreement_id == agreement_id), None)

    def seen(self, assignment: Assignment) -> ObservedAssignment | None:
        newest = self.observed[-1].assignments if self.observed else []
        return next((each for each in newest if each.assignment_id == assignment.assignment_id), None)

    def is_seen(self, assignment: Assignment, state: str) -> ObservedAssignment | None:
        seen = self.seen(assignment)
        return seen if seen and seen.state == state else None

    def now_ms(self) -> int:
        return clock.wall_ms() + int(self.ahead_s * 1000)

    def wanted(self) -> Wanted:
        return Wanted(
            revision=self.revision,
            heartbeat_s=self.heartbeat_s,
            metering_interval_s=self.metering_interval_s,
            approved=True,
            now_ms=self.now_ms(),
            assignments=self.assignments,
            agreements=list(self.agreements.values()),
            usage_acks=[] if self.is_deaf else [self._ack(id, chain) for id, chain in self.usage.items()],
            note_acks=[
                NoteAck(agreement_id=note.agreement_id, sequence=note.sequence, state="accepted")
                for note in self.notes
            ],
        )

    def _ack(self, agreement_id: str, chain: dict[int, Usage]) -> UsageAck:
        price = self.prices[agreement_id]
        rated = sum(
            (
                price.cost_glm(
                    duration_s=Decimal(each.running_ms) / 1000,
                    cpu_s=Decimal(each.cpu_ms) / 1000,
                    egress_bytes=each.egress_bytes,
                    first=each.sequence == 1 and each.running_ms > 0,
                )
                for each in chain.values()
            ),
            Decimal(0),
        )
        final = any(each.final for each in chain.values())
        return UsageAck(agreement_id=agreement_id, sequence=max(chain), rated_glm=rated, closed=final)

    # -- the link -------------------------------------------------------------------------------------------

    async def _serve(self, websocket: ServerConnection) -> None:
        assert websocket.request
        path = websocket.request.path
        if path.startswith("/bee/stream/"):
            await self.streams[path.split("/")[3]].put(websocket)
            return await websocket.wait_closed()
        try:
            await self._link(websocket)
        except ConnectionClosed:
            pass
        finally:
            await websocket.wait_closed()
            self.close_codes.append(websocket.close_code)
            if websocket in self.links:
                self.links.remove(websocket)

    async def _link(self, websocket: ServerConnection) -> None:
        nonce = "0x" + uuid.uuid4().bytes.hex() * 2
        await websocket.send(
            encode(Challenge(nonce=nonce, queen=self.key.address.lower(), chain_id=CHAIN_ID))
        )
        hello = decode_from_bee(await websocket.recv())
        assert isinstance(hello, Hello)
        self.hellos.append(hello)
        login = typed_data.login(
            node=hello.node_id, queen=self.key.address.lower(), nonce=nonce, chain_id=CHAIN_ID
        )
        if self.refusal or not typed_data.is_signed_by(login, hello.signature, hello.node_id):
            refusal = self.refusal or Refused(
                code=RefusalCode.BAD_SIGNATURE, reason="bad signature", final=True
            )
            return await websocket.send(encode(refusal))
        await websocket.send(
            encode(
                Welcome(
                    approved=True,
                    heartbeat_s=self.heartbeat_s,
                    metering_interval_s=self.metering_interval_s,
                    now_ms=self.now_ms(),
                )
            )
        )
        self.links.append(websocket)
        await websocket.send(encode(self.wanted()))
        async for frame in websocket:
            if self._take(decode_from_bee(frame)):
                await websocket.send(encode(self.wanted()))
            self._moved.set()

    def _take(self, message: Any) -> bool:
        """Whether a `Wanted` answers it."""
        match message:
            case Offers():
                self.offers = message.offers
            case Answers():
                self.answers += message.answers
            case Observed():
                self.observed.append(message)
                return True
            case Pong():
                self.pongs.append(message.ping_id)
            case UsageReports() if not self.is_deaf:
                for report in message.reports:
                    self.usage.setdefault(report.agreement_id, {})[report.sequence] = report
                return True
            case DebitNotes():
                self.notes += [each for each in message.notes if each not in self.notes]
                return True
        return False


def assignment(terms: Terms, *, lease_s: float = 60, **changes: Any) -> Assignment:
    workload = Workload(
        image=terms.image,
        runtime=terms.runtime,
        cpu_threads=terms.cpu_threads,
        mem_gib=terms.mem_gib,
        port=8000,
        stop_grace_s=1,
    )
    return Assignment(
        assignment_id=str(uuid.uuid4()),
        agreement_id=terms.agreement_id,
        replica="web-1",
        generation=1,
        lease_s=lease_s,
        workload=replace(workload, **changes),
    )
