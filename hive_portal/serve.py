"""`hive serve`: the whole Queen on one machine, in the foreground."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import click
import httpx
from celery import Celery

from hive_portal.stack import HiveHome, Stack, StackError, ports
from hive_portal.stack.process import Child
from hive_portal.stack.supervisor import Supervisor

ROOT = Path(__file__).resolve().parent.parent
WORKERS = {
    "celery": ("--beat", "--concurrency", "2"),
    # Threads, for it does nothing but wait for mail servers and webhooks, each wait with a limit of its own.
    "notices": ("--pool", "threads", "--concurrency", "4"),
}
"""Celery's workers, each for the queue of its name."""
DATABASE_POOL = "16"
"""For each web process: the embedded PostgreSQL takes 200 connections in all."""
PORT = click.IntRange(1, 65535)


class Hive:
    """Embedded servers, portal and Celery as one thing, every process of it a supervised child.

    Usable from any program: `with Hive(home, port=8000) as hive: ...`, or in two steps where something has to
    happen between servers and portal: `start_servers()`, then `start_portal()`.

    Args:
        workers: uvicorn processes.
        chain: whether to run the development chain.
        say: takes one line for the user; called from other threads too.
        environ: further variables for portal and Celery; may be changed until `start_portal`.

    Raises:
        StackError: on starting, with what the user can do.
    """

    def __init__(
        self,
        home: HiveHome,
        *,
        port: int = 8000,
        edge_port: int = 8080,
        host: str = ports.LOOPBACK,
        workers: int = 1,
        chain: bool = True,
        say: Callable[[str], None] = click.echo,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        if port == edge_port:
            raise StackError(f"port {port} is given twice: --port and --edge-port must differ")
        self.home = home
        self.portal_url = f"http://localhost:{ports.claim(port, '--port', host)}"
        if "HIVE_EDGE_DIR" not in os.environ:
            ports.claim(edge_port, "--edge-port", host)
        self.stack = Stack(home, edge_port=edge_port, host=host, chain=chain)
        self.environ = dict(environ or {})
        self._host = host
        self._port = port
        self._workers = workers
        self._say = say
        self._programs: list[Child] = []
        self._supervisor: Supervisor | None = None

    @property
    def env(self) -> dict[str, str]:
        """The whole environment of portal, Celery and `manage.py`."""
        return {
            "HIVE_SECRET_KEY": self.home.secret("django"),
            "HIVE_PORTAL_URL": self.portal_url,
            **os.environ,
            **self.stack.env,
            **self.environ,
            "DJANGO_SETTINGS_MODULE": "hive_portal.settings",
        }

    @property
    def edge_url(self) -> str:
        return self.env.get("HIVE_EDGE_URL", "")

    @property
    def urls(self) -> dict[str, str]:
        """What to print: name and address."""
        return {
            "portal": f"{self.portal_url}/",
            "admin": f"{self.portal_url}/admin/",
            "api": f"{self.portal_url}/api/docs/",
            "edge": self.edge_url,
            "chain": self.env.get("HIVE_RPC_URL", ""),
        }

    def start(self) -> None:
        """Start everything; what was started is stopped when something fails."""
        self.start_servers()
        self.start_portal()

    def start_servers(self) -> None:
        """Start the embedded servers and bring the database up to date."""
        self.stack.start()
        try:
            self.manage("migrate", "--no-input", "--verbosity", "0")
        except BaseException:
            self.stop()
            raise

    def start_portal(self) -> None:
        """Start uvicorn and Celery, and supervise every child from then on."""
        web, workers = self._web(), [self._worker(queue) for queue in WORKERS]
        self._programs = [web, *workers]
        try:
            for program in self._programs:
                program.start()
            web.wait_until_ready(self._portal_answers, timeout_s=60)
            for worker in workers:
                worker.wait_until_ready(partial(self._worker_answers, worker.name), timeout_s=60)
        except BaseException:
            self.stop()
            raise
        servers = [server.child for server in self.stack.servers]
        self._supervisor = Supervisor([*servers, *self._programs], self._say)
        self._supervisor.start()

    def stop(self) -> None:
        """Stop every process, the ones others stand on last. May be called twice."""
        if self._supervisor:
            self._supervisor.stop()
        for program in reversed(self._programs):
            program.stop(timeout_s=8)
        self.stack.stop()

    def manage(self, *arguments: str) -> str:
        """Run a Django management command on this Hive's data and return what it prints.

        Raises:
            StackError: it failed; with its last lines.
        """
        run = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if run.returncode:
            last_words = "\n".join((run.stdout + run.stderr).splitlines()[-15:])
            raise StackError(f"manage.py {arguments[0]} failed:\n{last_words}")
        return run.stdout

    def _web(self) -> Child:
        options = {
            "--host": self._host,
            "--port": self._port,
            "--workers": self._workers,
            "--backlog": 4096,
            "--lifespan": "on",
            "--log-level": "warning",
            # Compression would more than double the memory of each idle Bee's socket.
            "--ws-per-message-deflate": "false",
            # A Bee's frame has at most 1 MiB: what is larger is not even gathered in memory.
            "--ws-max-size": 2 << 20,
            # Bees reconnect by themselves; nobody needs their sockets to be waited for.
            "--timeout-graceful-shutdown": 3,
        }
        words = [str(word) for option in options.items() for word in option]
        command = [sys.executable, "-m", "uvicorn", "hive_portal.asgi:application", *words]
        environ = {"HIVE_DATABASE_POOL": DATABASE_POOL, **self.env}
        return Child(self.home, "portal", command, environ=environ, cwd=ROOT)

    def _worker(self, queue: str) -> Child:
        command = [sys.executable, "-m", "celery", "-A", "hive_portal.celery", "worker", *WORKERS[queue]]
        command += ["--queues", queue, "--hostname", f"{queue}@%h"]
        command += ["--loglevel", "WARNING", "--without-gossip", "--without-mingle"]
        if "--beat" in command:
            command += ["--schedule", str(self.home.folder("run") / "celerybeat-schedule")]
        # Celery advises against root for its pickles; we only send JSON.
        return Child(self.home, queue, command, environ={**self.env, "C_FORCE_ROOT": "1"}, cwd=ROOT)

    def _portal_answers(self) -> bool:
        host = ports.LOOPBACK if self._host == "0.0.0.0" else self._host
        try:
            httpx.get(f"http://{host}:{self._port}/", timeout=10, trust_env=False)
        except httpx.TransportError:
            return False
        return True

    def _worker_answers(self, name: str) -> bool:
        with Celery(broker=self.env["REDIS_URL"]) as asker:
            answers = asker.control.ping(timeout=0.5) or []
            return any(worker.partition("@")[0] == name for answer in answers for worker in answer)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def wait_for_end() -> None:
    """Sleep until somebody presses Ctrl-C or asks this process to end."""
    threading.Event().wait()


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP do what Ctrl-C does: raise KeyboardInterrupt in the main thread.

    SIGINT as well: a shell's background job starts with it ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def stop_in_peace() -> None:
    """From now on nobody's second Ctrl-C interrupts the stopping: half a stop leaves processes behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


@click.command("serve")
@click.option("--port", type=PORT, default=8000, show_default=True, help="Where the portal listens.")
@click.option("--edge-port", type=PORT, default=8080, show_default=True, help="Where the edge listens.")
@click.option("--host", default=ports.LOOPBACK, show_default=True, help="Address that both listen on.")
@click.option("--workers", default=1, show_default=True, help="Web server processes.")
@click.option("--chain/--no-chain", default=False, show_default=True, help="Run a development chain.")
@click.option("--home", type=click.Path(path_type=Path), help="Folder of all data; HIVE_HOME, else .hive.")
def serve_command(port: int, edge_port: int, host: str, workers: int, chain: bool, home: Path | None) -> None:
    """Run the Queen in the foreground: portal, Celery and the servers they need.

    PostgreSQL, Redis, edge and chain are embedded unless DATABASE_URL, REDIS_URL, HIVE_EDGE_DIR or
    HIVE_RPC_URL name others. Ctrl-C stops everything.
    """
    end_on_signals()
    try:
        hive = Hive(HiveHome(home), port=port, edge_port=edge_port, host=host, workers=workers, chain=chain)
        with hive:
            for name, address in hive.urls.items():
                click.echo(f"{name:<8}{address}" if address else f"{name:<8}-")
            click.echo("Ctrl-C stops it.")
            try:
                wait_for_end()
            finally:
                stop_in_peace()
    except StackError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("stopped")


if __name__ == "__main__":
    serve_command()
