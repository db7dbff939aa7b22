"""`hive agent status`: what runs, and what was given to this Bee and does not run."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from agent import clock, pausing
from agent.cli import agent_group
from agent.config import write_config
from agent.journal import Journal
from agent.metering import open_meter, run_ended, run_started
from agent.protocol import Price, Terms
from agent.runtimes.base import Counters
from tests.agent.conftest import config_for
from tests.agent.queen_double import assignment


def terms(agreement_id: str) -> Terms:
    return Terms(
        agreement_id=agreement_id,
        requestor="0x" + "11" * 20,
        provider="0x" + "22" * 20,
        offer_id="o",
        runtime="process",
        image="hive/hello:1",
        cpu_threads=Decimal(1),
        mem_gib=Decimal(1),
        price=Price(),
        valid_from_ms=0,
        expires_at_ms=10**15,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Of a Bee with web-1, which runs, and web-2, which has ended and whose lease has not."""
    write_config(tmp_path, config_for("http://localhost:1", "process"))
    (tmp_path / "keystore.json").write_text(json.dumps({"address": "22" * 20}))
    given = [replace(assignment(terms(name)), replica=name) for name in ("web-1", "web-2")]
    running, ended = (run_started(open_meter(terms(name), 0), "r", 0) for name in ("web-1", "web-2"))
    journal = Journal(tmp_path / "journal.sqlite3")
    journal.keep_assignments([(each, clock.boot_s() + 884.6) for each in given], clock.boot_id())
    journal.keep_meters([running, run_ended(ended, "r", Counters(), 1_000)])
    journal.close()
    return tmp_path


def status(home: Path, *options: str) -> str:
    result = CliRunner().invoke(agent_group, ["status", "--home", str(home), *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_it_tells_what_runs_from_what_does_not(home: Path) -> None:
    *_, count, first, second = status(home).splitlines()
    assert count == "replicas  1 running, 1 not running"
    assert first == "  web-1: hive/hello:1 on process, running, leased for 15 min more"
    assert second == "  web-2: hive/hello:1 on process, not running"


def test_it_calls_nothing_running_that_its_owner_froze(home: Path) -> None:
    pausing.pause(home)
    told = status(home)
    assert "replicas  1 paused, 1 not running" in told
    assert "web-1: hive/hello:1 on process, paused, leased" in told


def test_scripts_learn_it_too(home: Path) -> None:
    told = json.loads(status(home, "-o", "json"))
    assert {each["replica"]: each["runs"] for each in told["replicas"]} == {"web-1": True, "web-2": False}
