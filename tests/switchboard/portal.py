"""A real web server in a thread and a Bee's hand at the other end of its WebSocket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from eth_account.signers.local import LocalAccount
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from agent import typed_data
from agent.protocol import (
    PROTOCOL,
    Challenge,
    FromQueen,
    Hello,
    Message,
    NodeInfo,
    Wanted,
    Welcome,
    decode_from_queen,
    encode,
)
from tests.cast import id_of

SOON_S = 5
INFO = NodeInfo(name="attic", agent_version="0.1.0", runtimes=["process"], ssh_host_key="ssh-ed25519 AAAA")


@contextmanager
def serving() -> Iterator[str]:
    """Yields `ws://host:port`."""
    from hive_portal.asgi import application

    config = uvicorn.Config(
        application, port=0, lifespan="on", log_level="warning", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"ws://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


class Bee:
    """One connection of one key."""

    def __init__(self, socket: ClientConnection, key: LocalAccount) -> None:
        self.socket = socket
        self.key = key
        self.id = id_of(key)

    def hear(self) -> FromQueen:
        return decode_from_queen(self.socket.recv(timeout=SOON_S))

    def hear_a(self, kind: type[Any]) -> Any:
        """The next message of this kind, whatever comes before it."""
        while not isinstance(message := self.hear(), kind):
            pass
        return message

    def say(self, message: Message) -> None:
        self.socket.send(encode(message))

    def hello(self, *, token: str | None = None, challenge: Challenge | None = None, **fields: Any) -> Hello:
        """The right answer to the challenge, with `fields` in place of the right ones."""
        challenge = challenge or self.hear_a(Challenge)
        login = typed_data.login(
            node=self.id, queen=challenge.queen, nonce=challenge.nonce, chain_id=challenge.chain_id
        )
        given = {
            "node_id": self.id,
            "signature": typed_data.sign(login, self.key),
            "info": INFO,
            "enrolment_token": token,
            "protocol": PROTOCOL,
        }
        return Hello(**(given | fields))

    def join(self, *, token: str | None = None) -> Wanted:
        """Hello, welcome, first wanted set."""
        self.say(self.hello(token=token))
        assert isinstance(self.hear(), Welcome)
        return self.hear_a(Wanted)

    def close_code(self) -> int:
        """Waits until the Queen has closed the link."""
        with pytest.raises(ConnectionClosed):
            while True:
                self.socket.recv(timeout=SOON_S)
        assert self.socket.close_code is not None
        return self.socket.close_code


@contextmanager
def dialled(url: str, key: LocalAccount) -> Iterator[Bee]:
    with connect(f"{url}/bee/link/", compression=None) as socket:
        yield Bee(socket, key)


def eventually(holds: Any, *, within_s: float = SOON_S) -> None:
    """Waits for what another thread brings about; fails when it does not."""
    ends_at = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.01)
