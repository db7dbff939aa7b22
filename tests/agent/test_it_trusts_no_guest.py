"""What comes from inside a virtual machine is a stranger's: its sockets, its guest agent's answers."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.runtimes.base import RuntimeFault
from agent.runtimes.guarded.own_socket import connected
from agent.runtimes.qemu import guest_agent
from agent.runtimes.qemu.guest_agent import Done, GuestAgent
from agent.runtimes.qemu.monitor import answered


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "engine.sock"))
        listening.listen()
        yield listening


def test_it_connects_to_the_replicas_own_socket(tmp_path: Path, listener: socket.socket) -> None:
    with connected(str(tmp_path / "engine.sock"), os.geteuid()) as line, listener.accept()[0] as other:
        line.send(b"hello")
        assert other.recv(5) == b"hello"


def test_it_follows_no_link_to_another_socket(tmp_path: Path, listener: socket.socket) -> None:
    (tmp_path / "console").symlink_to(tmp_path / "engine.sock")
    with pytest.raises(OSError, match="not the replica's own socket"):
        connected(str(tmp_path / "console"), os.geteuid())


def test_it_connects_to_no_socket_of_somebody_else(tmp_path: Path, listener: socket.socket) -> None:
    with pytest.raises(OSError, match="not the replica's own socket"):
        connected(str(tmp_path / "engine.sock"), os.geteuid() + 1)


def test_it_connects_to_no_file(tmp_path: Path) -> None:
    (tmp_path / "console").write_text("")
    with pytest.raises(OSError, match="not the replica's own socket"):
        connected(str(tmp_path / "console"), os.geteuid())


def test_it_connects_however_long_the_path_is(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        held = os.open(folder, os.O_PATH)
        listening.bind(f"/proc/self/fd/{held}/s")
        os.close(held)
        listening.listen()
        connected(str(folder / "s"), os.geteuid()).close()


def test_it_knows_a_connection_that_the_machine_took_up() -> None:
    """As QEMU 7.2 writes it."""
    waiting = """Hub -1 (net):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[TIME_WAIT]     21       127.0.0.1 43793       10.0.2.15    80     0     0
  TCP[SYN_SENT]      20       127.0.0.1 43793       10.0.2.15    80     0     0
  TCP[HOST_FORWARD]  13       127.0.0.1 43793       10.0.2.15    80     0     0
"""
    taken = "  TCP[ESTABLISHED]   14       127.0.0.1 43793       10.0.2.15    80     0     0\r\n"
    assert not answered(waiting, 43793)
    assert answered(waiting + taken, 43793)
    assert not answered(waiting + taken, 43794)


# -- the guest agent, by a double that says what a real one never would ------------------------------------


@asynccontextmanager
async def guest(tmp_path: Path, answer: Callable[[dict[str, Any]], bytes]) -> AsyncIterator[GuestAgent]:
    """A guest agent that answers each request, after the handshake, with what `answer` makes of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await reader.readline()).lstrip(b"\xff"):
            request = json.loads(line)
            if request["execute"] == "guest-sync-delimited":
                writer.write(b"\xff" + line_of(request["arguments"]["id"]))
            else:
                writer.write(answer(request))
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "agent")
    async with server:
        yield GuestAgent(lambda: connected(str(tmp_path / "agent"), os.geteuid()))


def line_of(content: Any) -> bytes:
    return json.dumps({"return": content}).encode() + b"\n"


def told(**state: Any) -> Callable[[dict[str, Any]], bytes]:
    def answer(request: dict[str, Any]) -> bytes:
        return line_of({"pid": 5} if request["execute"] == "guest-exec" else state)

    return answer


async def test_it_takes_status_and_output(tmp_path: Path) -> None:
    output = base64.b64encode(b"said").decode()
    async with guest(tmp_path, told(exited=True, exitcode=3, **{"out-data": output})) as agent:
        assert await agent.run(["x"], capture=True) == Done(status=3, output=b"said")


async def test_it_tells_a_signal_as_a_shell_does(tmp_path: Path) -> None:
    async with guest(tmp_path, told(exited=True, signal=9)) as agent:
        assert (await agent.run(["x"])).status == 137


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda request: b"no json\n", "answer can't be read"),
        (lambda request: b"[]\n", "answer can't be read"),
        (lambda request: line_of({"pid": "many"}), "answer can't be read"),
        (lambda request: line_of(None), "answer can't be read"),
        (lambda request: b'{"error": "no"}\n', "the guest agent refuses: no"),
        (lambda request: b'{"error": {"desc": "disabled"}}\n', "the guest agent refuses: disabled"),
        (lambda request: b" " * (5 << 20), "longer than 4 MiB"),
        (told(exited=True, **{"out-data": "é"}), "its output is no base64"),
        (told(exited="perhaps"), "answer can't be read"),
    ],
)
async def test_it_says_what_is_wrong_with_an_answer(
    tmp_path: Path, answer: Callable[[dict[str, Any]], bytes], reason: str
) -> None:
    async with guest(tmp_path, answer) as agent:
        with pytest.raises(RuntimeFault, match=reason):
            await agent.run(["x"])


async def test_it_waits_for_no_answer_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_agent, "_ANSWER_S", 0.1)
    async with guest(tmp_path, lambda request: b"") as agent:
        with pytest.raises(RuntimeFault, match="no guest agent answers"):
            await agent.run(["x"])


async def test_it_says_that_nobody_is_there(tmp_path: Path) -> None:
    agent = GuestAgent(lambda: connected(str(tmp_path / "agent"), os.geteuid()))
    with pytest.raises(RuntimeFault, match=r"guest agent can't be reached: No such file or directory$"):
        await agent.run(["x"])


async def test_it_kills_what_nobody_waits_for_any_more(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: dict[str, Any]) -> bytes:
        asked.append(request)
        return told(exited=False)(request)

    async with guest(tmp_path, answer) as agent:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await agent.run(["sleep", "600"])
    assert asked[-1]["arguments"] == {"path": "kill", "arg": ["-KILL", "5"]}
