"""What lies between an agent and a guard: one folder per replica, which outlives the agent.

<home>/work/<runtime>/<assignment id>/
    spec.json   for the guard: command, variables, walls, limits
    lease       end of the lease on the boot clock, written anew with each renewal
    grace       how long a stop may take, written before the guard is told to stop
    run.json    by the guard: the run with the process ids, once the payload is confined
    end.json    by the guard: why it ended, when, and what it used
    paused      there while the replica is paused
    log         what the payload wrote, both streams
    files/      the replica's own
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from agent.runtimes.base import Run


def folder_of(run: Run) -> Path:
    return Path(str(run.detail["folder"]))


def make(folder: Path) -> Path:
    """An empty folder, closed to others but for its own; the replica's `files` in it."""
    shutil.rmtree(folder, ignore_errors=True)
    files = folder / "files"
    files.mkdir(parents=True)
    folder.chmod(0o711)
    files.chmod(0o700)
    return files


def write_spec(folder: Path, spec: dict[str, Any], lease_until_s: float) -> None:
    """The last thing before the guard starts: a folder with a spec is one whose guard may be starting."""
    if spec["uid"] is not None:
        os.chown(folder / "files", spec["uid"], spec["uid"])
    write_number(folder / "lease", lease_until_s)
    path = folder / "spec.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(spec))


def read_spec(folder: Path) -> dict[str, Any]:
    return _read(folder / "spec.json")


def read_end(folder: Path) -> dict[str, Any]:
    return _read(folder / "end.json")


def read_run(folder: Path) -> Run | None:
    """The guard adds its own process id to the run that it was given."""
    written = _read(folder / "run.json")
    if not written:
        return None
    guard = {name: written.pop(name) for name in ("guard_pid", "guard_started", "payload_pid")}
    written["detail"] |= guard
    return msgspec.convert(written, Run)


def write_number(path: Path, number: float) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(f"{number:.3f}")
    draft.replace(path)


def last_word(path: Path, limit: int = 200) -> str:
    """The last line that says something."""
    lines = last_lines(path, 20, limit_bytes=2000).decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:limit] if lines else ""


def last_lines(path: Path, count: int, *, limit_bytes: int = 1 << 20) -> bytes:
    """The last `count` lines of a log, or what `limit_bytes` hold of them; nothing while there is none."""
    with suppress(OSError), path.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(0, size - limit_bytes))
        return b"".join(log.read(limit_bytes).splitlines(keepends=True)[-count:]) if count > 0 else b""
    return b""


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}
