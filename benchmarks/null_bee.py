"""A Bee on a null runtime: real key, real protocol, nothing to run. Thousands fit into one process."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from eth_account import Account
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from agent import typed_data
from agent.link import delays
from agent.protocol import (
    MAX_FRAME_BYTES,
    Challenge,
    FromQueen,
    Hello,
    NodeInfo,
    Observed,
    Offer,
    Offers,
    Price,
    Stats,
    Wanted,
    Welcome,
    decode_from_queen,
    encode,
)

GREETING_S = 15.0
"""As in `agent/link.py`: so long it waits for a welcome."""
JITTER = 0.1
"""As in `agent/bee.py`: so much earlier or later than told."""


class NullBee:
    """Joins, then says a heartbeat as often as it is told to, until it is cancelled."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self.price = Price(second_glm=Decimal("0.00001"))
        self.key = Account.create()
        self.node_id = str(self.key.address).lower()
        self.joined = asyncio.Event()
        self.joins = 0
        self.heartbeats = 0
        self.answers = 0
        self.lost = ""
        """Why its link ended. It dials again only once it is told to `persist`: no drop goes unseen."""
        self._offers: list[Offer] = []
        self._chain_id = 0
        self._persists = False
        self._token = token
        self._heartbeat_s = 10.0
        self._revision = 0
        self._silenced = False

    async def live(self) -> None:
        patience = delays()
        while True:
            with self._noting_loss():
                async with asyncio.timeout(GREETING_S) as greeting, self._dialled() as link:
                    await self._join(link)
                    greeting.reschedule(None)
                    patience = delays()
                    await self._converse(link)
            if not self._persists:
                return
            self.joined.clear()
            await asyncio.sleep(next(patience))

    def _dialled(self) -> connect:
        return connect(f"{self.url}/bee/link/", compression=None, max_size=MAX_FRAME_BYTES)

    async def _converse(self, link: ClientConnection) -> None:
        speaking = asyncio.create_task(self._speak(link))
        try:
            async for frame in link:
                self._take(decode_from_queen(frame))
        finally:
            speaking.cancel()
        raise EOFError(f"closed with code {link.close_code}: {link.close_reason}")

    def fall_silent(self) -> None:
        """Say no further heartbeat; the link stays."""
        self._silenced = True

    def persist(self) -> None:
        """From now on dial again, as the agent does."""
        self._silenced, self._persists = False, True

    async def _join(self, link: ClientConnection) -> None:
        challenge = decode_from_queen(await link.recv())
        assert isinstance(challenge, Challenge), challenge
        await link.send(encode(self._hello(challenge)))
        welcome = decode_from_queen(await link.recv())
        assert isinstance(welcome, Welcome), welcome
        self._heartbeat_s, self._chain_id = welcome.heartbeat_s, challenge.chain_id
        self._offers = self._offers or [self._offer(challenge.chain_id)]
        await link.send(encode(Offers(offers=self._offers)))
        self._token = None
        self.joins += 1
        self.joined.set()

    async def _speak(self, link: ClientConnection) -> None:
        """In the rhythm of `agent/bee.py`: the first at once."""
        while not self._silenced:
            observed = Observed(revision=self._revision, at_ms=_now_ms(), assignments=[], stats=_stats())
            try:
                await link.send(encode(observed))
            except ConnectionClosed:
                return  # who listens says why
            self.heartbeats += 1
            await asyncio.sleep(self._heartbeat_s * random.uniform(1 - JITTER, 1 + JITTER))

    def _take(self, message: FromQueen) -> None:
        if not isinstance(message, Wanted):
            raise EOFError(f"heard {message}")
        self.answers += 1
        self._revision, self._heartbeat_s = message.revision, message.heartbeat_s

    def _hello(self, challenge: Challenge) -> Hello:
        login = typed_data.login(
            node=self.node_id, queen=challenge.queen, nonce=challenge.nonce, chain_id=challenge.chain_id
        )
        return Hello(
            node_id=self.node_id,
            signature=typed_data.sign(login, self.key),
            info=NodeInfo(
                name="null", agent_version="bench", runtimes=["null"], ssh_host_key="ssh-ed25519 A"
            ),
            enrolment_token=self._token,
        )

    def _offer(self, chain_id: int) -> Offer:
        fields = {
            "offer_id": str(uuid.uuid4()),
            "runtime": "null",
            "cpu_threads": Decimal(4),
            "mem_gib": Decimal(8),
            "storage_gib": Decimal(10),
            "price": self.price,
            "valid_s": 3600.0,
            "issued_at_ms": _now_ms(),
        }
        draft = Offer(**fields, signature="")  # type: ignore[arg-type]
        message = typed_data.offer(draft, node=self.node_id, chain_id=chain_id)
        return Offer(**fields, signature=typed_data.sign(message, self.key))  # type: ignore[arg-type]

    @contextmanager
    def _noting_loss(self) -> Iterator[None]:
        try:
            yield
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.lost = str(error) or type(error).__name__
            if not self._persists:
                self.joined.set()  # whoever waits for it need not wait longer


def _now_ms() -> int:
    return int(time.time() * 1000)


def _stats() -> Stats:
    """As one that is never quite the same."""
    return Stats(
        cpu_percent=round(random.uniform(0, 100), 1),
        mem_used_bytes=random.randrange(8 << 30),
        disk_used_bytes=random.randrange(10 << 30),
        sent_bytes_s=random.uniform(0, 1e6),
        received_bytes_s=random.uniform(0, 1e6),
        temperature_c=round(random.uniform(30, 80), 1),
    )
