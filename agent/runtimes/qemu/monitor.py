"""What QEMU tells about a running machine, over its monitor (QMP).

See https://www.qemu.org/docs/master/interop/qmp-spec.html
"""

from __future__ import annotations

import asyncio
import re
from socket import socket
from typing import Any

import msgspec

from agent.runtimes.base import RuntimeFault

_MOST_BYTES = 1 << 20
# As libslirp writes it: Protocol[State]  FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
_INCOMING = re.compile(r"^\s*TCP\[(?P<state>\w+)\]\s+\d+\s+\S+\s+(?P<port>\d+)\s", re.MULTILINE)
_TAKEN_UP = ("ESTABLISHED", "CLOSE_WAIT")


async def has_answered(line: socket, port: int) -> bool:
    """Whether the machine has taken up a connection to our `port`: QEMU itself answers before it does.

    Raises RuntimeFault, OSError.
    """
    return answered(await _ask(line, "human-monitor-command", {"command-line": "info usernet"}), port)


def answered(connections: str, port: int) -> bool:
    found = ((each["state"], int(each["port"])) for each in _INCOMING.finditer(connections))
    return any(where == port and state in _TAKEN_UP for state, where in found)


async def _ask(line: socket, name: str, arguments: dict[str, Any]) -> str:
    reader, writer = await asyncio.open_unix_connection(sock=line, limit=_MOST_BYTES)
    try:
        for request in ({"execute": "qmp_capabilities"}, {"execute": name, "arguments": arguments}):
            writer.write(msgspec.json.encode(request))
        answers = 0
        while True:  # its greeting and what it tells unasked lie in between
            answer = msgspec.json.decode(await reader.readuntil(b"\n"), type=dict[str, Any])
            answers += "return" in answer
            if answers == 2:
                return str(answer["return"])
            if "error" in answer:
                raise RuntimeFault(f"this machine's monitor refuses: {answer['error']}")
    except (EOFError, msgspec.DecodeError, asyncio.LimitOverrunError) as error:
        raise RuntimeFault(f"this machine's monitor does not answer: {error}") from None
    finally:
        writer.close()
