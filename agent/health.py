"""Is a replica well? One probe, by HTTP, TCP or a command inside it."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress

from agent.protocol import HealthCheck
from agent.runtimes.base import Forwarding, Run, Runtime, RuntimeFault

_STEP_S = 0.1
_STATUS = re.compile("[0-9]{3}")


async def problem_with(run: Run, health: HealthCheck, runtime: Runtime) -> str:
    """What is wrong, in words; empty when the probe passes."""
    try:
        async with asyncio.timeout(health.timeout_s):
            if health.kind == "command":
                return await _command(run, health, runtime)
            if health.kind == "http":
                return await _http(run.endpoint, health.path)
            return await _tcp(run, runtime)
    except TimeoutError:
        return f"no answer to its health check within {health.timeout_s:g} s"
    except OSError as error:
        words = os.strerror(error.errno).lower() if error.errno else error.strerror
        return f"{run.endpoint or 'it'} can't be reached: {words}"
    except RuntimeFault as fault:
        return str(fault)


async def _tcp(run: Run, runtime: Runtime) -> str:
    _, writer = await asyncio.open_connection(*_split(run.endpoint))
    try:
        while isinstance(runtime, Forwarding) and not await runtime.has_answered(run):
            await asyncio.sleep(_STEP_S)
    finally:
        await _close(writer)
    return ""


async def _http(endpoint: str, path: str) -> str:
    """2xx and 3xx pass, as they do for a Kubernetes probe."""
    reader, writer = await asyncio.open_connection(*_split(endpoint))
    try:
        head = (
            f"GET {path} HTTP/1.1",
            f"Host: {endpoint}",
            "User-Agent: golem-hive",
            "Connection: close",
            "",
            "",
        )
        writer.write("\r\n".join(head).encode())
        line = (await reader.readline()).decode("latin-1").split()
    except (asyncio.IncompleteReadError, ValueError):
        line = []
    finally:
        await _close(writer)
    if len(line) < 2 or not _STATUS.fullmatch(line[1]):
        return f"GET {path}: no HTTP answer"
    return "" if 200 <= int(line[1]) < 400 else f"GET {path} answered {line[1]}"


async def _command(run: Run, health: HealthCheck, runtime: Runtime) -> str:
    status = await runtime.execute(run, health.command, health.timeout_s)
    return f"{health.command[0]} exited with status {status}" if status else ""


def _split(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.rpartition(":")
    if not host:
        raise OSError(None, "it publishes no port")
    return host, int(port)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
