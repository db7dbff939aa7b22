"""What this machine can do: measured once in a process of its own, which is gone some three seconds later.

    benchmark.py FOLDER        print the figures as one JSON object; FOLDER is on the disk to measure

Standard library only, and started without site (`python -I -S`), so that it costs the agent no memory. Every
part is bounded by time, the disk's part by size, too; nothing of it is left behind, however it ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable

MIB, GIB = 1 << 20, 1 << 30
CPU_S, MEMORY_S, DISK_S = 0.7, 0.3, 1.0
MEMORY_BYTES = 64 * MIB
"""More than the caches of most processors hold."""
DISK_BYTES, BLOCK_BYTES = 128 * MIB, 4 * MIB
DISK_SPARE_BYTES = GIB
"""A disk with less room than this is left alone."""
NICE = 10
"""Replicas that start meanwhile go first."""


def main(folder: str) -> None:
    os.nice(NICE)
    threads = len(os.sched_getaffinity(0))
    write_mib_s, read_mib_s = disk(folder)
    figures = {
        "cpu_single": cpu(1),
        "cpu_all": cpu(threads),
        "mem_gib_s": memory(),
        "disk_write_mib_s": write_mib_s,
        "disk_read_mib_s": read_mib_s,
    }
    print(json.dumps(figures))


def cpu(threads: int, seconds: float = CPU_S) -> float:
    """Units of work a second: one unit is one MiB of a fixed text, deflated (level 6) and hashed (SHA3-256).

    Whole numbers and memory near by, as most services use them; both release Python's lock, so that threads
    count. Figures compare machines, not versions of zlib: between those expect some percent.
    """
    text = corpus()
    done = [0] * threads
    ends_at = time.perf_counter() + seconds

    def work(place: int) -> None:
        while time.perf_counter() < ends_at:
            hashlib.sha3_256(zlib.compress(text, 6)).digest()
            done[place] += len(text)

    elapsed_s = _elapsed(lambda: _together(work, threads))
    return sum(done) / elapsed_s / MIB


def corpus() -> bytes:
    """256 KiB that can be deflated to about half, the same everywhere."""
    return b"".join(hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(4096))


def memory(seconds: float = MEMORY_S) -> float:
    """GiB a second copied by one thread from one place in memory to another."""
    source, target = bytearray(MEMORY_BYTES), memoryview(bytearray(MEMORY_BYTES))
    target[:] = source  # the pages are there from now on
    copied, started = 0, time.perf_counter()
    while (elapsed_s := time.perf_counter() - started) < seconds:
        target[:] = source
        copied += MEMORY_BYTES
    return copied / elapsed_s / GIB


def disk(folder: str, seconds: float = DISK_S) -> tuple[float, float]:
    """MiB a second written to the disk for good (fsync), and read back from it past the cache.

    (0, 0) when there is not enough room, or the disk fails.
    """
    try:
        if os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize < DISK_SPARE_BYTES:
            return 0.0, 0.0
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:  # has no name: a kill leaves nothing
            return _written(file.fileno(), seconds), _read(file.fileno(), seconds)
    except OSError:
        return 0.0, 0.0


def _written(file: int, seconds: float) -> float:
    block = os.urandom(BLOCK_BYTES)  # a file system that compresses gains nothing
    started, written = time.perf_counter(), 0
    while written < DISK_BYTES and time.perf_counter() - started < seconds:
        written += os.write(file, block)
    os.fsync(file)
    return written / (time.perf_counter() - started) / MIB


def _read(file: int, seconds: float) -> float:
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.lseek(file, 0, os.SEEK_SET)
    started, read = time.perf_counter(), 0
    while time.perf_counter() - started < seconds and (block := os.read(file, BLOCK_BYTES)):
        read += len(block)
    return read / (time.perf_counter() - started) / MIB


def _together(work: Callable[[int], None], threads: int) -> None:
    running = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def _elapsed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1])
