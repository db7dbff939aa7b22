"""The one WebSocket to the Queen: kept open for as long as the agent lives."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Generator
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from agent import clock
from agent.bee import Bee
from agent.errors import AgentError, NoHiveAnswers, RefusedByQueen
from agent.protocol import (
    MAX_FRAME_BYTES,
    Challenge,
    Echo,
    FromQueen,
    OpenStream,
    Ping,
    Pong,
    ProtocolError,
    Refused,
    Wanted,
    Welcome,
    encode,
)
from agent.sifting import read

log = logging.getLogger("hive.agent")

_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 30.0
_GREETING_S = 15
_STEADY_S = 10.0
"""Who is welcomed and hung up on again and again must come back ever more slowly, too."""
_FAREWELL_S = 2
"""How long the Queen may take to answer a close; an owner who stops the Bee does not wait for her."""


class TryLater(Exception):
    """The Queen refuses for now."""


def delays() -> Generator[float, None, None]:
    """Doubling, with full jitter: after a Queen's restart a thousand Bees don't knock at the same moment."""
    limit = _FIRST_DELAY_S
    while True:
        yield random.uniform(0, limit)
        limit = min(limit * 2, _LONGEST_DELAY_S)


class Patience:
    """How long to wait before calling again; a link that held for a while is a new beginning."""

    def __init__(self) -> None:
        self._delays = delays()

    def after(self, held_s: float) -> float:
        if held_s >= _STEADY_S:
            self._delays = delays()
        return next(self._delays)


async def enrol(bee: Bee, token: str) -> Welcome:
    """Connect once with an enrolment token.

    Raises:
        RefusedByQueen: with the Queen's reason.
        NoHiveAnswers: nobody, or nobody that speaks our protocol, is at the URL.
    """
    url = bee.config.url
    try:
        async with _connect(bee) as websocket:
            return await _greet(websocket, bee, token)
    except TryLater as refusal:
        raise RefusedByQueen(str(refusal)) from None
    except (OSError, WebSocketException, TimeoutError, ValueError) as error:
        raise NoHiveAnswers(f"no Hive answers at {url}: {error or type(error).__name__}") from error


async def keep_link(bee: Bee, wake: asyncio.Event, open_console: Callable[[OpenStream], None]) -> None:
    """Connect, converse, and connect again, until cancelled. Raises RefusedByQueen for a final refusal."""
    patience = Patience()
    async for websocket in _connect(bee):
        begun_s = clock.boot_s()
        try:
            await _greet(websocket, bee)
            await _converse(websocket, bee, wake, open_console)
        except (ConnectionClosed, TimeoutError) as error:
            log.warning("link to %s lost: %s", bee.config.url, error or "no greeting in time")
        except (TryLater, ValueError) as reason:
            log.warning("%s: %s", bee.config.url, reason)
        except AgentError:
            raise
        except Exception:  # what nobody foresaw costs this link, not the replicas that the agent looks after
            log.exception("the link to %s failed", bee.config.url)
        finally:
            await websocket.close()  # also on the way out: code 1000 says that it was meant
        await asyncio.sleep(patience.after(clock.boot_s() - begun_s))


def _connect(bee: Bee) -> connect:
    url = f"{bee.config.socket_url}/bee/link/"
    return connect(
        url,
        compression=None,  # 40 KB a socket in the Queen, for frames of a few hundred bytes
        max_size=MAX_FRAME_BYTES,
        close_timeout=_FAREWELL_S,
        proxy=None if urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1") else True,
        reconnect_delays=delays,
        process_exception=_say_why,
    )


def _say_why(error: Exception) -> Exception | None:
    """Called for each failed attempt; whatever it was, a running agent tries again."""
    log.info("no link yet: %s", error or type(error).__name__)
    return None


async def _greet(websocket: ClientConnection, bee: Bee, token: str | None = None) -> Welcome:
    async with asyncio.timeout(_GREETING_S):
        challenge = await _receive(websocket)
        if not isinstance(challenge, Challenge):
            raise ValueError(f"expected a challenge, got {type(challenge).__name__}")
        await websocket.send(encode(bee.hello(challenge, token)))
        welcome = await _receive(websocket)
    if not isinstance(welcome, Welcome):
        raise ValueError(f"expected a welcome, got {type(welcome).__name__}")
    bee.welcomed(welcome)
    return welcome


async def _receive(websocket: ClientConnection) -> FromQueen:
    message = read(await websocket.recv())
    if isinstance(message, Refused):
        raise RefusedByQueen(message.reason) if message.final else TryLater(message.reason)
    return message


async def _converse(
    websocket: ClientConnection, bee: Bee, wake: asyncio.Event, open_console: Callable[[OpenStream], None]
) -> None:
    """Speak and listen until the link ends; the failure that ended it is raised alone, not in a group."""
    speaking = asyncio.create_task(_speak(websocket, bee, wake))
    listening = asyncio.create_task(_listen(websocket, bee, open_console))
    try:
        done, _ = await asyncio.wait({speaking, listening}, return_when=asyncio.FIRST_COMPLETED)
        # A refusal is heard by the listener; prefer it to the speaker's complaint about the closed socket.
        for task in sorted(done, key=lambda task: task is speaking):
            task.result()
    finally:
        for task in (speaking, listening):
            task.cancel()
        await asyncio.gather(speaking, listening, return_exceptions=True)


async def _listen(websocket: ClientConnection, bee: Bee, open_console: Callable[[OpenStream], None]) -> None:
    while True:
        try:
            message = await _receive(websocket)
        except ProtocolError as error:  # a newer Queen may say more than this Bee knows
            log.warning("passed over a message that can't be read: %.200s", error)
            continue
        match message:
            case Wanted() as wanted:
                bee.take_wanted(wanted)
            case OpenStream() as stream:
                open_console(stream)
            case Echo() as echo:
                bee.prober.heard(echo)
            case Ping() as ping:
                await websocket.send(encode(Pong(ping_id=ping.ping_id)))


async def _speak(websocket: ClientConnection, bee: Bee, wake: asyncio.Event) -> None:
    while True:
        wake.clear()
        for message in bee.to_say():
            await websocket.send(encode(message))
        try:
            async with asyncio.timeout(bee.silent_for_s()):
                await wake.wait()
        except TimeoutError:
            pass
