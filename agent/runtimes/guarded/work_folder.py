"""What lies between an agent and a guard: one folder per replica, which outlives the agent.

work/<runtime>/<assignment id>/ below the agent's home
    spec.json   for the guard: command, variables, walls, limits
    lease       end of the lease on the boot clock, written anew with each renewal
    grace       how long a stop may take, written before the guard is told to stop
    run.json    by the guard: the run with the process ids, once the payload is confined
    end.json    by the guard: why it ended, when, and what it used
    paused      there while the replica is paused
    log         what the payload wrote, both streams; log.1 what it wrote before, log.start see `watching.py`
    files/      the replica's own
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from agent.runtimes.base import Run


def folder_of(run: Run) -> Path:
    return Path(str(run.detail["folder"]))


def make(folder: Path) -> None:
    """An empty folder that others only pass through; in it `files`, closed to all but the replica."""
    remove(folder)
    files = folder / "files"
    files.mkdir(parents=True)
    folder.chmod(0o711)
    files.chmod(0o700)


def remove(folder: Path) -> None:
    """With all that the replica left there, however deep it lies and however closed it is."""
    subprocess.run(["rm", "-rf", "--", str(folder)], stderr=subprocess.DEVNULL, check=False)
    if folder.exists():
        subprocess.run(["chmod", "-R", "u+rwx", "--", str(folder)], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["rm", "-rf", "--", str(folder)], check=False)


def write_spec(folder: Path, spec: dict[str, Any], lease_until_s: float) -> None:
    """The last thing before the guard starts: a folder with a spec is one whose guard may be starting."""
    give(folder / "files", spec["uid"])
    write_number(folder / "lease", lease_until_s)
    write_number(folder / "grace", spec["grace_s"])
    path = folder / "spec.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(spec))


def give(folder: Path, uid: int | None) -> None:
    """To a user of its own. Root's group may pass: bubblewrap goes there just before it becomes that user."""
    if uid is not None:
        os.chown(folder, uid, 0)
        folder.chmod(0o710)


def read_spec(folder: Path) -> dict[str, Any]:
    return _read(folder / "spec.json")


def read_end(folder: Path) -> dict[str, Any]:
    return _read(folder / "end.json")


def read_run(folder: Path) -> Run | None:
    """As the guard has written it: the run it was given, with its own process id and the payload's."""
    written = _read(folder / "run.json")
    return msgspec.convert(written, Run) if written else None


def write_number(path: Path, number: float) -> None:
    """In place and always of one length, in one write: a full disk allows it, a reader finds old or new."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{number:<20.3f}".encode())
    finally:
        os.close(descriptor)


def last_word(path: Path, limit: int = 200) -> str:
    """The last line that says something."""
    lines = last_lines(path, 20, limit_bytes=2000).decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:limit] if lines else ""


def last_lines(path: Path, count: int, *, limit_bytes: int = 1 << 20) -> bytes:
    """The last `count` lines of a log, or what `limit_bytes` hold of them; nothing while there is none."""
    text = _end_of(path, limit_bytes)
    if text.count(b"\n") < count and len(text) < limit_bytes:
        text = _end_of(path.with_name(f"{path.name}.1"), limit_bytes - len(text)) + text
    return b"".join(text.splitlines(keepends=True)[-count:]) if count > 0 else b""


def _end_of(path: Path, limit_bytes: int) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - limit_bytes))
        return file.read(limit_bytes)
    return b""


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}
