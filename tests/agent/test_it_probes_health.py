"""What a health check makes of an answer: the replica's, who may say anything."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from agent.health import problem_with
from agent.protocol import HealthCheck
from agent.runtimes.base import Run, Runtime


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.1 399 Odd\r\n\r\n", ""),
        (b"HTTP/1.1 503 Busy\r\n\r\n", "GET / answered 503"),
        (b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", "GET /: no HTTP answer"),
        (b"HTTP/1.1 " + b"2" * 5000 + b" OK\r\n\r\n", "GET /: no HTTP answer"),
        (b"x" * 200_000, "GET /: no HTTP answer"),
        (b"", "GET /: no HTTP answer"),
    ],
)
async def test_it_takes_any_answer_for_what_it_is(answer: bytes, problem: str) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        endpoint = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        run = Run(run_id="r", assignment_id="a", agreement_id="g", runtime="process", endpoint=endpoint)
        assert await problem_with(run, HealthCheck(kind="http"), cast(Runtime, None)) == problem
