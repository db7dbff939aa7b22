"""A supervised child process that never outlives its parent."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from hive_portal.stack.errors import StackError
from hive_portal.stack.home import HiveHome

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

# The kernel sends the death signal when the *thread* that started the child ends (prctl(2)), so one thread
# that lives as long as this process starts them all.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


def _die_with(parent: int, death_signal: int) -> None:
    """Runs in the child between fork and exec."""
    _libc.prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:  # it died before the kernel knew about our wish
        os._exit(1)


class Child:
    """One server: its command, its log in home, and its life.

    Args:
        name: names the log and the pid file.
        user: system user to run as; needs root.
        stop_signal: asks for a clean end; also sent by the kernel when this process is killed.
        before_start: run before each start, restarts included.
    """

    def __init__(
        self,
        home: HiveHome,
        name: str,
        command: Sequence[str | Path],
        *,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        stdin: str = "",
        stop_signal: signal.Signals = signal.SIGTERM,
        before_start: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self._command = [str(word) for word in command]
        self._environ = dict(environ) if environ is not None else None
        self._cwd = cwd
        self._user = user
        self._stdin = stdin
        self._stop_signal = stop_signal
        self._before_start = before_start
        self._home = home
        self._pid_file = home.folder("run") / f"{name}.pid"
        self._process: subprocess.Popen[str] | None = None

    @property
    def log(self) -> Path:
        return self._home.folder("logs") / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it, after ending what a killed run may have left behind.

        Raises:
            StackError: the program can't be run.
        """
        self._end_orphan()
        self._before_start()
        with self._home.log(self.name).open("a") as log:
            spawn = partial(
                subprocess.Popen,
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
                cwd=self._cwd,
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
                start_new_session=True,
                preexec_fn=partial(_die_with, os.getpid(), self._stop_signal),
                text=True,
            )
            try:
                self._process = _spawner.submit(spawn).result()
            except OSError as error:
                raise StackError(
                    f"{self.name}: {self._command[0]} can't be run ({error.strerror})"
                ) from error
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(self._stdin)
            self._process.stdin.close()
        with suppress(psutil.NoSuchProcess):
            self._pid_file.write_text(f"{self.pid} {psutil.Process(self.pid).create_time()}")

    def wait_until_ready(self, probe: Callable[[], bool], timeout_s: float = 30) -> None:
        """Wait until the probe says yes.

        Raises:
            StackError: it ended early or took too long; with the last lines of its log.
        """
        give_up_at = time.monotonic() + timeout_s
        while not probe():
            if not self.running:
                raise StackError(f"{self.name} ended with status {self.exit_status}:\n{self._last_words()}")
            if time.monotonic() > give_up_at:
                raise StackError(f"{self.name} is not ready after {timeout_s:g} s:\n{self._last_words()}")
            time.sleep(0.02)

    def stop(self, timeout_s: float = 10) -> None:
        """Ask it to end, wait, then end its whole group. Does nothing when it isn't running."""
        if self._process is None:
            return
        if self.running:
            with suppress(ProcessLookupError):
                self._process.send_signal(self._stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        self.kill()
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the whole group at once: what the server itself started must not outlive it."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _end_orphan(self) -> None:
        """End what a killed run left behind; the start time tells it from a later process of that pid."""
        if self._process is not None:
            self.kill()
        try:
            pid, created = self._pid_file.read_text().split()
            orphan = psutil.Process(int(pid))
            if orphan.create_time() != float(created):
                return
            orphan.send_signal(self._stop_signal)
            give_up_at = time.monotonic() + 10
            # Not `wait`: where nobody reaps orphans, it stays a zombie.
            while orphan.status() != psutil.STATUS_ZOMBIE and time.monotonic() < give_up_at:
                time.sleep(0.02)
            os.killpg(int(pid), signal.SIGKILL)
        except (FileNotFoundError, ValueError, ProcessLookupError, psutil.NoSuchProcess):
            return

    def _last_words(self, count: int = 15) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-count:]
        return "\n".join(["  " + line for line in lines] + [f"  (all of it: {self.log})"])
