"""Ends the containers of a Bee whose leases have run out: python -I -S fence.py FOLDER SOCKET LINGER_S

It is for containers what `guarded/guard.py` is for native replicas: the agent may be killed and come back
while they run on, and yet none outlives its lease. One for all containers of a Bee, until there has been no
lease for LINGER_S. It reads FOLDER/leases/<container>, asks the engine at the unix socket SOCKET to stop what
is due, and writes FOLDER/ended/<container> before it does: why, when, and what the container had used.

Standard library only, and started without site: it has to be small (9 MB). See docs/decisions/0032.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time

TYPE_CHECKING = False  # as the `typing` module has it, which costs 5 ms to import
if TYPE_CHECKING:
    from typing import Any

WATCH_S = 0.5
_ENGINE_S = 60
"""How long the engine may take to answer, beside the time it gives a container to stop."""


def main(arguments: list[str]) -> int:
    folder, socket_path, linger_s = arguments[0], arguments[1], float(arguments[2])
    leases = os.path.join(folder, "leases")
    with open(os.path.join(folder, "fence.lock"), "w") as file:
        # A lease that is written while the last fence leaves finds it still locked: so it looks once more.
        while os.listdir(leases) and locked(file):
            watch(folder, leases, socket_path, linger_s)
            fcntl.flock(file, fcntl.LOCK_UN)
    return 0


def locked(file: Any) -> bool:
    """Whether we are the one fence of this Bee."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def watch(folder: str, leases: str, socket_path: str, linger_s: float) -> None:
    """Until there has been no lease for a while."""
    ending: dict[str, Any] = {}
    needed_s = boot_s()
    while boot_s() < needed_s + linger_s:
        for name in os.listdir(leases):
            needed_s = boot_s()
            until_s, grace_s = read_lease(os.path.join(leases, name))
            at_it = name in ending and ending[name].is_alive()
            if boot_s() >= until_s and not at_it:
                ending[name] = begin(end, folder, name, grace_s, socket_path)
        time.sleep(WATCH_S)


def begin(work: Any, *arguments: Any) -> Any:
    """A thread for each: one container that takes its time to stop must not lengthen the others' leases."""
    import threading

    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def end(folder: str, name: str, grace_s: int, socket_path: str) -> None:
    """One try; while the lease is there and over, `watch` begins the next."""
    import http.client

    try:
        _, stats = ask(socket_path, "GET", f"/containers/{name}/stats?stream=0&one-shot=1", _ENGINE_S)
        note_end(os.path.join(folder, "ended", name), used(json.loads(stats)))
        status, _ = ask(socket_path, "POST", f"/containers/{name}/stop?t={grace_s}", grace_s + _ENGINE_S)
    except (OSError, ValueError, http.client.HTTPException) as error:
        sys.stderr.write(f"{name}: {error}\n")
        time.sleep(WATCH_S)
        return
    if status in (304, 404):  # it had ended before, by itself
        remove(os.path.join(folder, "ended", name))
    if status in (204, 304, 404):
        remove(os.path.join(folder, "leases", name))


def note_end(path: str, counters: dict[str, int]) -> None:
    try:
        write_json(path, {"reason": "its lease ran out", "ended_s": boot_s(), **counters})
    except OSError as error:  # a full disk costs the explanation, not the end
        sys.stderr.write(f"{path}: {error}\n")


def used(stats: dict[str, Any]) -> dict[str, int]:
    """Of `GET /containers/<id>/stats`; empty for a container that is not there or does not run."""
    networks = (stats.get("networks") or {}).values()
    cpu_ns = stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0)
    return {"cpu_ms": cpu_ns // 1_000_000, "egress_bytes": sum(each["tx_bytes"] for each in networks)}


def ask(socket_path: str, method: str, path: str, timeout_s: float) -> tuple[int, bytes]:
    """One request to the engine: (status, body). Imported late: most fences never have to."""
    import http.client
    import socket

    connection = http.client.HTTPConnection("docker", timeout=timeout_s)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(timeout_s)
    try:
        connection.sock.connect(socket_path)
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read_lease(path: str) -> tuple[float, int]:
    """(its end on the boot clock, seconds to stop in). One that nobody can understand is over."""
    try:
        with open(path) as file:
            lease = json.load(file)
        return float(lease["until_s"]), int(lease["grace_s"])
    except OSError:  # gone since it was listed, or to be read in the next round
        return float("inf"), 0
    except (ValueError, TypeError, KeyError):
        return 0.0, 0


def write_json(path: str, content: dict[str, Any]) -> None:
    draft = path + ".new"
    with open(draft, "w") as file:
        json.dump(content, file)
    os.replace(draft, path)


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
