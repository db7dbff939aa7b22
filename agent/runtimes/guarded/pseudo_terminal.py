"""A program of this machine on a terminal of its own."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from contextlib import suppress

from agent.runtimes.terminal import DescriptorTerminal

_STEP_S = 0.02


def open_pseudo_terminal(command: list[str], columns: int, rows: int) -> DescriptorTerminal:
    """Start `command`, which makes the terminal on its standard input its controlling one."""
    master, slave = pty.openpty()
    _set_size(master, columns, rows)
    try:
        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, close_fds=True)
    finally:
        os.close(slave)

    async def resize(columns: int, rows: int) -> None:
        _set_size(master, columns, rows)

    async def wait() -> int:
        while (status := process.poll()) is None:
            await asyncio.sleep(_STEP_S)
        return status

    async def close() -> None:
        # Closing the master hangs up whatever still has the terminal, background jobs too.
        os.close(master)
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGHUP)
        try:
            async with asyncio.timeout(1):
                await wait()
        except TimeoutError:
            process.kill()
            await wait()

    return DescriptorTerminal(master, resize=resize, wait=wait, close=close)


def _set_size(descriptor: int, columns: int, rows: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
