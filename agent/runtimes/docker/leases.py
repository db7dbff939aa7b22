"""Leases of containers, written down for the fence that ends them while the agent is away. See `fence.py`."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import msgspec

_FENCE = Path(__file__).with_name("fence.py")
_COMMAND = [sys.executable, "-I", "-S", str(_FENCE)]
_LEASE_BYTES = 96
LINGER_S = 30.0
"""How long a fence stays without a lease: where one replica has just ended, the next is likely to start."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """What the fence wrote of a container that it ended."""

    reason: str
    ended_s: float
    cpu_ms: int = 0
    egress_bytes: int = 0


class Leases:
    """Below `folder`; every method is quick, and an OSError says that the disk is full or the folder gone."""

    def __init__(self, folder: Path, *, node_id: str, socket_path: str, linger_s: float = LINGER_S) -> None:
        self._folder, self._node_id = folder, node_id
        self._arguments = [str(folder), socket_path, str(linger_s)]
        self._leases, self._ended = folder / "leases", folder / "ended"
        for each in (self._leases, self._ended):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._one_at_a_time = threading.Lock()
        self._fence: subprocess.Popen[bytes] | None = None

    def write(self, container: str, until_s: float, grace_s: float) -> None:
        """Before the container is started: then it ends at `until_s` of the boot clock at the latest."""
        # The draft lies beside the folder: all that is in it is taken for a lease.
        draft = self._folder / f"{container}.new"
        draft.write_bytes(_lease(until_s, grace_s))
        draft.replace(self._leases / container)
        self._be_guarded()

    def renew(self, container: str, until_s: float) -> None:
        """Written in place: a full disk allows it. What the fence has ended meanwhile stays ended."""
        with suppress(FileNotFoundError), (self._leases / container).open("r+b", buffering=0) as file:
            file.write(_lease(until_s, json.loads(os.pread(file.fileno(), _LEASE_BYTES, 0))["grace_s"]))
            self._be_guarded()

    def end_of(self, container: str) -> End | None:
        with suppress(FileNotFoundError, msgspec.DecodeError):
            return msgspec.json.decode((self._ended / container).read_bytes(), type=End)
        return None

    def forget(self, container: str) -> None:
        for folder in (self._leases, self._ended):
            (folder / container).unlink(missing_ok=True)

    def forget_all_but(self, containers: Collection[str]) -> None:
        for folder in (self._leases, self._ended):
            for path in folder.iterdir():
                if path.name not in containers:
                    path.unlink(missing_ok=True)

    def _be_guarded(self) -> None:
        """Start a fence unless there is one, perhaps that of an earlier agent."""
        with self._one_at_a_time:
            if (self._fence is None or self._fence.poll() is not None) and self._is_unguarded():
                self._start_fence()

    def _is_unguarded(self) -> bool:
        with (self._folder / "fence.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def _start_fence(self) -> None:
        with (self._folder / "fence.log").open("wb") as log:
            self._fence = subprocess.Popen(
                [*_COMMAND, *self._arguments],
                # HIVE_NODE in its environment tells whoever cleans up after a Bee whose fence this is.
                env={"PATH": os.defpath, "HIVE_NODE": self._node_id},
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )


def _lease(until_s: float, grace_s: float) -> bytes:
    """Always of one length, so that one write replaces another."""
    return json.dumps({"until_s": round(until_s, 3), "grace_s": grace_s}).ljust(_LEASE_BYTES).encode()
