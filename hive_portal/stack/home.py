"""The folder that holds all data of one installation."""

import fcntl
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from hive_portal.stack.errors import StackError

LOG_LIMIT_BYTES = 10_000_000


class HiveHome:
    """One installation's data: `$HIVE_HOME`, else `.hive` in the working directory.

    Others may pass through the folder (PostgreSQL's system user does) but not list it; each secret in it is
    readable by its owner alone.

    Raises:
        StackError: the folder can't be made or written to.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = Path(path or os.environ.get("HIVE_HOME") or ".hive").absolute()
        self._lock: IO[str] | None = None
        try:
            if not self.path.exists():
                self.path.mkdir(parents=True)
                self.path.chmod(0o711)
            probe = self.path / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            remedy = "choose a folder of yours with --home or HIVE_HOME"
            raise StackError(f"{self.path} can't be written to ({error.strerror}): {remedy}") from error

    def folder(self, name: str) -> Path:
        """A folder below home, made when missing, closed to others."""
        path = self.path / name
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(0o700)
        return path

    def log(self, name: str) -> Path:
        """Where the server of that name writes what it says; yesterday's is kept as `.1` once it is large."""
        path = self.folder("logs") / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def secret(self, name: str) -> str:
        """A random secret, made on first use and kept."""
        path = self.folder("secrets") / name
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))
        return path.read_text()

    def lock(self) -> None:
        """Keep a second Hive out of this folder until `unlock`, or until this process ends in whatever way.

        Raises:
            StackError: another process holds the folder.
        """
        file = (self.path / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            file.close()
            raise StackError(
                f"another hive (pid {pid}) is using {self.path}: stop it, or set HIVE_HOME to another folder"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._lock = file

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.lock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unlock()
