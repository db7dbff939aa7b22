"""What the edge adds to a request: median time through Envoy beside the same replica asked directly."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.queen import queen
from hive_portal.stack import ports

REQUESTS = 3_000
HELLO = Path(__file__).resolve().parent.parent / "examples" / "hello" / "hello.py"
HOST = "web.hello.bench.localhost"


def measure() -> Figure:
    port, edge_port = ports.find(), ports.find()
    hello = subprocess.Popen(
        [sys.executable, HELLO], env=os.environ | {"PORT": str(port)}, stdout=subprocess.DEVNULL
    )
    try:
        with queen(edge_port=edge_port) as stack:
            assert stack.edge
            _publish(stack.edge.folder, port)
            _wait_until_answers(port)
            _wait_until_answers(edge_port)
            direct_ms, edge_ms = _median_ms(port), _median_ms(edge_port)
    finally:
        hello.terminate()
        hello.wait()
    return Figure(
        name="edge",
        value=edge_ms,
        unit="ms",
        peer="the same replica, asked directly",
        peer_value=direct_ms,
        target=3,
        at_least=False,
        note=f"median of {REQUESTS} requests on one kept connection",
    )


def _publish(folder: Path, port: int) -> None:
    from apps.deployments.edge import write
    from apps.deployments.envoy import Backend

    write(
        [Backend(name="hello", host=HOST, health_path="/health", endpoints=(("127.0.0.1", port),))],
        folder=folder,
    )


def _wait_until_answers(port: int, limit_s: float = 20) -> None:
    give_up_at = time.monotonic() + limit_s
    while time.monotonic() < give_up_at:
        try:
            with _Client(port) as client:
                if client.ask().startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"port {port} does not answer 200 within {limit_s} s")


def _median_ms(port: int) -> float:
    with _Client(port) as client:
        for _ in range(200):
            client.ask()
        return statistics.median(_timed(client) for _ in range(REQUESTS)) * 1000


def _timed(client: _Client) -> float:
    begun = time.perf_counter()
    client.ask()
    return time.perf_counter() - begun


class _Client:
    """One kept connection, as little of HTTP as measures the server and not the client."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()

    def ask(self) -> bytes:
        self._socket.sendall(self._request)
        answer = self._socket.recv(65536)
        while not answer.endswith(b"\n") or b"\r\n\r\n" not in answer:
            more = self._socket.recv(65536)
            if not more:
                raise OSError("closed")
            answer += more
        return answer

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
