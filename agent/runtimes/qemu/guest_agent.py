"""Commands in a virtual machine, through the QEMU guest agent that its image brings.

One connection at a time gets answers, and a command may take long: so each request has a connection of its
own, and asking waits for whoever asks just now. What the guest says is a stranger's: bounded and checked.

See https://www.qemu.org/docs/master/interop/qemu-ga-ref.html
"""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Callable
from contextlib import suppress
from socket import socket
from typing import Any, TypeVar

import msgspec

from agent.runtimes.base import RuntimeFault

_ANSWER_S = 5.0
_FIRST_STEP_S, _LONGEST_STEP_S = 0.02, 0.5
_MOST_BYTES = 4 << 20
_SENTINEL = b"\xff"
"""The guest agent forgets half a request that somebody else left behind, and so do we its answers."""
_numbers = itertools.count(1)
T = TypeVar("T")


class Done(msgspec.Struct, frozen=True):
    status: int
    output: bytes = b""


class _Started(msgspec.Struct, frozen=True):
    pid: int


class _State(msgspec.Struct, frozen=True):
    exited: bool
    exitcode: int = 0
    signal: int = 0
    output: str = msgspec.field(name="out-data", default="")


class GuestAgent:
    """Of one machine; `connect` gives a new connection to its socket, or raises OSError."""

    def __init__(self, connect: Callable[[], socket]) -> None:
        self._connect = connect
        self._asking = asyncio.Lock()

    async def run(self, command: list[str], *, capture: bool = False) -> Done:
        """Until it ends; killed in the guest when the caller is cancelled. Raises RuntimeFault."""
        arguments = {"path": command[0], "arg": command[1:], "capture-output": capture}
        pid = (await self._ask("guest-exec", arguments, _Started)).pid
        try:
            return await self._end_of(pid)
        except asyncio.CancelledError:
            await asyncio.shield(self._kill(pid))
            raise

    async def _end_of(self, pid: int) -> Done:
        step_s = _FIRST_STEP_S
        while not (state := await self._ask("guest-exec-status", {"pid": pid}, _State)).exited:
            await asyncio.sleep(step_s)
            step_s = min(2 * step_s, _LONGEST_STEP_S)
        try:
            output = base64.b64decode(state.output)
        except ValueError:
            raise RuntimeFault("the guest agent's answer can't be read: its output is no base64") from None
        return Done(status=128 + state.signal if state.signal else state.exitcode, output=output)

    async def _kill(self, pid: int) -> None:
        with suppress(RuntimeFault):
            await self._ask("guest-exec", {"path": "kill", "arg": ["-KILL", str(pid)]}, _Started)

    async def _ask(self, name: str, arguments: dict[str, Any], kind: type[T]) -> T:
        """Raises RuntimeFault when it can't, or the guest says no."""
        try:
            async with self._asking, asyncio.timeout(_ANSWER_S):
                return msgspec.convert(await self._exchange(name, arguments), kind)
        except TimeoutError:
            raise RuntimeFault("no guest agent answers in this machine") from None
        except OSError as error:
            raise RuntimeFault(f"this machine's guest agent can't be reached: {error.strerror}") from None
        except EOFError:
            raise RuntimeFault("this machine's guest agent hung up") from None
        except asyncio.LimitOverrunError:
            limit = f"{_MOST_BYTES >> 20} MiB"
            raise RuntimeFault(f"the guest agent's answer is longer than {limit}") from None
        except msgspec.DecodeError as error:
            raise RuntimeFault(f"the guest agent's answer can't be read: {error}") from None

    async def _exchange(self, name: str, arguments: dict[str, Any]) -> Any:
        reader, writer = await asyncio.open_unix_connection(sock=self._connect(), limit=_MOST_BYTES)
        try:
            number = next(_numbers)
            sync = {"execute": "guest-sync-delimited", "arguments": {"id": number}}
            writer.write(_SENTINEL + msgspec.json.encode(sync) + b"\n")
            await reader.readuntil(_SENTINEL)
            while msgspec.json.decode(await reader.readuntil(b"\n")) != {"return": number}:
                await reader.readuntil(_SENTINEL)
            writer.write(msgspec.json.encode({"execute": name, "arguments": arguments}) + b"\n")
            answer = msgspec.json.decode(await reader.readuntil(b"\n"), type=dict[str, Any])
        finally:
            writer.close()
        if "return" not in answer:
            said = answer.get("error")
            said = said.get("desc", said) if isinstance(said, dict) else said
            raise RuntimeFault(f"the guest agent refuses: {said}")
        return answer["return"]


class CommandTerminal:
    """What a command wrote, once it has ended: the guest agent has no terminal to give and takes no input."""

    def __init__(self, agent: GuestAgent, command: str) -> None:
        # Both streams in one, in the order they came; the command's own quotes stay as they are.
        words = ["/bin/sh", "-c", 'exec 2>&1; exec /bin/sh -c "$0"', command]
        self._done = asyncio.create_task(agent.run(words, capture=True))
        self._told = False

    async def read(self) -> bytes:
        done = await self._done
        output, self._told = (b"" if self._told else done.output), True
        return output

    async def write(self, data: bytes) -> None:
        """Nobody reads it."""

    async def resize(self, columns: int, rows: int) -> None:
        """It has no size."""

    async def wait(self) -> int:
        return (await self._done).status

    async def close(self) -> None:
        self._done.cancel()
        with suppress(asyncio.CancelledError, RuntimeFault):
            await self._done
