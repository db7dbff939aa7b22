"""The serial line of a virtual machine, as a terminal."""

from __future__ import annotations

from collections.abc import Callable
from socket import socket

from agent.runtimes.terminal import DescriptorTerminal


class SerialConsole(DescriptorTerminal):
    """It begins with what was `shown` last, knows no size, and goes on when we leave: its status is 0."""

    def __init__(self, line: socket, shown: bytes, *, let_go: Callable[[], None]) -> None:
        async def resize(columns: int, rows: int) -> None:
            """In the machine, `stty columns 100 rows 30` tells programs; a line has no way to."""

        async def wait() -> int:
            return 0

        async def close() -> None:
            line.close()
            let_go()

        super().__init__(line.fileno(), resize=resize, wait=wait, close=close)
        self._shown = shown

    async def read(self) -> bytes:
        shown, self._shown = self._shown, b""
        return shown or await super().read()
