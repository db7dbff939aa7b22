"""What goes with each heartbeat: how busy the machine is."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil

from agent.protocol import Stats


def measure(*, folder: Path, running: int) -> Stats:
    """CPU is the average since the last call; disk is the file system of `folder`."""
    return Stats(
        cpu_percent=psutil.cpu_percent(interval=None),
        mem_used_bytes=psutil.virtual_memory().used,
        disk_used_bytes=shutil.disk_usage(folder).used,
        running=running,
    )
