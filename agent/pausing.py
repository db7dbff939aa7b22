"""The owner's pause: a file in the Bee's home, there for as long as the machine is the owner's alone.

Whoever may write to the home may pause; no agent has to run for it, and a restart changes nothing.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from agent.errors import AgentError

REASON = "paused by the bee's owner"


def is_paused(home: Path) -> bool:
    return _flag(home).exists()


def paused_since(home: Path) -> datetime | None:
    """None: it is not paused."""
    with suppress(FileNotFoundError):
        return datetime.fromtimestamp(_flag(home).stat().st_mtime, UTC)
    return None


def pause(home: Path) -> bool:
    """Whether this changed anything. Raises AgentError where the flag can't be written."""
    try:
        _flag(home).touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        return False
    except OSError as error:
        raise AgentError(f"{_flag(home)} can't be written ({error.strerror})") from None
    return True


def resume(home: Path) -> bool:
    """Whether this changed anything."""
    try:
        _flag(home).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise AgentError(f"{_flag(home)} can't be removed ({error.strerror})") from None
    return True


def _flag(home: Path) -> Path:
    return home / "paused"
