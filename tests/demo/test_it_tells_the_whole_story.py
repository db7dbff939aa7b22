"""`hive demo` as a newcomer runs it, on real servers, from the deposit to the last final payment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from hive_portal.stack import ports
from tests.needs import needs_chain, needs_docker

pytestmark = [needs_chain, pytest.mark.timeout(240), pytest.mark.real]

NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}


def demo(home: Path, *options: str, environ: dict[str, str]) -> subprocess.Popen[str]:
    addresses = ["--port", str(ports.find()), "--edge-port", str(ports.find())]
    # The tests' own servers are in the environment; the demo must start its own.
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HIVE_", "DJANGO_", "DATABASE_URL", "REDIS_URL"))
    }
    return subprocess.Popen(
        [sys.executable, "-m", "hive_client", "demo", "--home", str(home), *addresses, *options],
        env=clean | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_of(home: Path) -> list[str]:
    """Every process that has the demo's folder in its command line or its environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = [*process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(home) in word for word in words):
                found.append(" ".join(process.cmdline()))
    return found


def assert_it_all_holds(receipt: dict[str, Any]) -> None:
    assert receipt["complaints"] == []
    assert receipt["edge"]["failed"] == receipt["failover"]["failed"] == 0
    assert receipt["ledger"]["sum"] == "0"
    assert receipt["reconciliation"]["unmatched"] == 0
    assert len({replica["node"] for replica in receipt["replicas"]}) == 3
    assert all(payment["state"] == "final" for payment in receipt["payments"])


def forget(home: Path) -> None:
    """As root the database lies outside of a folder that its system user can't reach."""
    shutil.rmtree((home / "postgres").resolve(), ignore_errors=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for both tellings without an engine: the second begins on the data of the first."""
    folder = tmp_path_factory.mktemp("demo")
    yield folder
    forget(folder)


def test_it_serves_until_ctrl_c_and_leaves_no_process(home: Path) -> None:
    receipt = home / "receipt.json"
    telling = demo(home, "--json", str(receipt), environ=NO_ENGINE)
    assert telling.stdout
    said = []
    for line in telling.stdout:
        said.append(line)
        if "Ctrl-C stops everything" in line:
            telling.send_signal(signal.SIGINT)
    assert telling.wait(60) == 0, "".join(said)
    assert_it_all_holds(json.loads(receipt.read_text()))
    assert processes_of(home) == []


def test_it_starts_again_on_the_data_of_the_first(home: Path) -> None:
    receipt = home / "again.json"
    telling = demo(home, "--exit", "--json", str(receipt), environ=NO_ENGINE)
    said, _ = telling.communicate(timeout=200)
    assert telling.returncode == 0, said
    told = json.loads(receipt.read_text())
    assert_it_all_holds(told)
    assert told["invoice"]["number"].endswith("2"), "the second invoice of the same books"
    assert processes_of(home) == []


@needs_docker
def test_it_runs_containers_where_an_engine_answers(tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.json"
    telling = demo(tmp_path / "home", "--exit", "--json", str(receipt), environ={})
    said, _ = telling.communicate(timeout=230)
    assert telling.returncode == 0, said
    assert_it_all_holds(json.loads(receipt.read_text()))
    assert "amber (docker)" in said
    assert processes_of(tmp_path) == []
    forget(tmp_path / "home")
