"""`hive serve`, the whole of it: it answers, repairs itself, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import psycopg
import pytest
from celery import Celery

from hive_portal.stack import HiveHome, ports
from hive_portal.stack.postgres import Postgres

pytestmark = pytest.mark.real


@pytest.fixture
def environ(home: HiveHome) -> dict[str, str]:
    ours = ("DATABASE_URL", "REDIS_URL", "HIVE_", "DJANGO_SETTINGS_MODULE")
    rest = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**rest, "HIVE_HOME": str(home.path), "PYTHONUNBUFFERED": "1"}


def serve(environ: dict[str, str], port: int) -> subprocess.Popen[str]:
    options = ["--port", str(port), "--edge-port", str(ports.find())]
    return subprocess.Popen(
        [sys.executable, "-m", "hive_portal.serve", *options],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def port() -> int:
    return ports.find()


@pytest.fixture
def hive(environ: dict[str, str], port: int) -> Iterator[subprocess.Popen[str]]:
    """A Hive that has said it is ready; ended in any case."""
    with serving(environ, port) as process:
        yield process


@contextmanager
def serving(environ: dict[str, str], port: int) -> Iterator[subprocess.Popen[str]]:
    process = serve(environ, port)
    try:
        _wait_until_ready(process)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            return
    pytest.fail("".join(lines))


def status(port: int, path: str = "/") -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10).status_code
    except httpx.TransportError:
        return 0


def is_alive(process: psutil.Process) -> bool:
    """A zombie has ended; that init has not yet counted it is not the Hive's doing."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_it_ends_every_process_on_ctrl_c(hive: subprocess.Popen[str], port: int) -> None:
    assert status(port, "/admin/login/") == 200
    family = psutil.Process(hive.pid).children(recursive=True)
    assert {"postgres", "envoy", "redis-server"} <= {process.name() for process in family}

    hive.send_signal(signal.SIGINT)

    assert hive.wait(timeout=20) == 0
    assert [process for process in family if is_alive(process)] == []
    assert hive.stdout is not None
    assert hive.stdout.read() == "stopped\n"


def test_it_starts_a_killed_portal_again_and_says_so(hive: subprocess.Popen[str], port: int) -> None:
    [portal] = [
        process
        for process in psutil.Process(hive.pid).children()
        if "hive_portal.asgi:application" in process.cmdline()
    ]

    portal.kill()

    assert hive.stdout is not None
    assert hive.stdout.readline().startswith("portal ended with status -9: started again in 0.5 s")
    give_up_at = time.monotonic() + 20
    while status(port, "/admin/login/") != 200:
        assert time.monotonic() < give_up_at
        time.sleep(0.1)


def lent(home: HiveHome, port: int) -> set[int]:
    """The connections that answered /healthz last and are still open."""
    assert status(port, "/healthz") == 200
    with psycopg.connect(Postgres(home).url) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE query = 'select 1'")
        return {pid for (pid,) in rows}


@pytest.mark.usefixtures("hive")
def test_its_portal_keeps_connections(home: HiveHome, port: int) -> None:
    give_up_at = time.monotonic() + 20
    before: set[int] = set()
    while not before & (before := lent(home, port)):  # now and then another query comes between
        assert time.monotonic() < give_up_at


def test_its_portal_survives_a_killed_database(hive: subprocess.Popen[str], port: int) -> None:
    assert status(port, "/healthz") == 200
    [database] = [child for child in psutil.Process(hive.pid).children() if child.name() == "postgres"]
    database.kill()
    assert hive.stdout is not None
    assert hive.stdout.readline().startswith("postgres ended")
    give_up_at = time.monotonic() + 30
    while status(port, "/healthz") != 200:
        assert time.monotonic() < give_up_at
        time.sleep(0.1)


LETTER = """
WITH told AS (
    INSERT INTO teams_notice (id, kind, subject, text, data, created_at)
    VALUES (gen_random_uuid(), 'webhook.test', 'Hello', 'there', '{}', now()) RETURNING id
)
INSERT INTO teams_delivery
    (id, notice_id, address, state, reason, state_since, deadline_at, tries, next_at, created_at)
SELECT gen_random_uuid(), id, 'ops@hive.example', 'waiting', '', now(), now() + '1 day', 0, now(), now()
FROM told
"""


def test_a_worker_of_its_own_waits_for_a_mail_server_that_says_nothing(
    environ: dict[str, str], home: HiveHome, port: int
) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as silent:
        mails = {"HIVE_SMTP_HOST": ports.LOOPBACK, "HIVE_SMTP_PORT": str(silent.getsockname()[1])}
        with serving(environ | mails, port) as hive:
            with psycopg.connect(Postgres(home).url) as connection:
                connection.execute(LETTER)
            silent.settimeout(30)
            caller, _ = silent.accept()  # somebody sends it
            assert queues_of_workers(hive) == {"celery": ["celery"], "notices": ["notices"]}
            caller.close()


def queues_of_workers(hive: subprocess.Popen[str]) -> dict[str, list[str]]:
    [worker] = [one for one in psutil.Process(hive.pid).children() if "notices@%h" in one.cmdline()]
    with Celery(broker=worker.environ()["REDIS_URL"]) as asker:
        listening = asker.control.inspect(timeout=5).active_queues() or {}
    return {name.partition("@")[0]: [each["name"] for each in queues] for name, queues in listening.items()}


def test_it_names_a_port_in_use(environ: dict[str, str]) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        process = serve(environ, port)
        output, _ = process.communicate(timeout=20)

    assert process.returncode == 1
    assert output == f"Error: port {port} is in use by another program: choose another with --port\n"


def test_it_names_a_home_in_use(environ: dict[str, str], hive: subprocess.Popen[str]) -> None:
    process = serve(environ, ports.find())
    output, _ = process.communicate(timeout=20)

    assert process.returncode == 1
    assert output.startswith(f"Error: another hive (pid {hive.pid}) is using {environ['HIVE_HOME']}")
