"""A whole Hive and real agents: every part a process of its own, as on real machines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import psutil

import hive_client
from hive_client.nouns import Agreement, Replica, Usage
from hive_portal.serve import Hive
from hive_portal.stack import HiveHome, ports
from tests.agent.conftest import ROOT, SERVER, kill_what_is_left, left_of, put_image

T = TypeVar("T")

PACE = {
    "HIVE_HEARTBEAT_S": "1",
    "HIVE_NODE_GRACE_S": "2",
    "HIVE_METERING_INTERVAL_S": "2",
    "HIVE_PLACEMENT_TIMEOUT_S": "120",
}
CAST = """
import json
from decimal import Decimal
from apps.billing.models import AccountKind, TransferKind
from apps.billing.ledger.posting import house_account, transfer
from hive_portal.demo.people import enrolment_token, gather_cast
cast = gather_cast()
transfer(key="tests", kind=TransferKind.DEPOSIT, debit=house_account(AccountKind.TREASURY),
         credit=cast.budget.available, amount_glm=Decimal(10))
print(json.dumps({"api": cast.token, "bees": [enrolment_token(cast) for _ in range(24)]}))
"""
COMPOSE = """
name: {name}
x-hive:
  runtime: process
  lease: {lease_s}s
services:
  web:
    image: hive/hello:1
    ports: ["8000"]
    stop_grace_period: 1s
    deploy:
      resources:
        limits: {{cpus: "0.25", memory: 128M}}
"""


@dataclass
class WholeHive:
    """The Queen's processes, and the API as a team sees it."""

    url: str
    team: hive_client.Hive
    enrolments: list[str]
    folder: Path
    manage: Callable[..., str]
    """Runs a Django management command on its data."""

    def deploy(self, name: str, *, lease_s: int = 60) -> Replica:
        """One healthy replica of it."""
        plan = self.team.plan(COMPOSE.format(name=name, lease_s=lease_s), file_name="compose.yaml")
        self.team.wait(self.team.apply(plan), timeout_s=60)
        return self.replica(name)

    def replica(self, name: str) -> Replica:
        [replica] = self.team.deployments.replicas(name)
        return replica

    def history(self, noun: str, id: str) -> list[tuple[str, str, str]]:
        """(state, actor, reason) of each of its audit lines, oldest first."""
        lines = f"AuditLine.objects.filter(noun={noun!r}, noun_id={id!r}).order_by('pk')"
        program = (
            "import json; from apps.teams.models import AuditLine; "
            f"print(json.dumps([[one.after, one.actor, one.reason] for one in {lines}]))"
        )
        found = json.loads(self.manage("shell", "-v", "0", "-c", program).splitlines()[-1])
        return [(state, actor, reason) for state, actor, reason in found]

    def notes(self, agreement: str) -> list[tuple[str, bool]]:
        """(state, whether it is the last) of each debit note of an agreement, oldest first."""
        notes = f"DebitNote.objects.filter(agreement={agreement!r}).order_by('sequence')"
        program = (
            "import json; from apps.billing.models import DebitNote; "
            f"print(json.dumps([[one.state, one.final] for one in {notes}]))"
        )
        found = json.loads(self.manage("shell", "-v", "0", "-c", program).splitlines()[-1])
        return [(state, final) for state, final in found]

    def stop(self, name: str) -> None:
        self.team.deployments.stop(name)
        until(lambda: self.team.deployments.get(name).status == "stopped", within_s=30)

    def usage(self, agreement: str) -> list[Usage]:
        """Oldest first."""
        return sorted(self.team.usage(agreement=agreement), key=lambda each: each.sequence)

    def rated_to_the_end(self, agreement: str) -> list[Usage]:
        """All of it, once the final report is in and rated."""
        reports = self.usage(agreement)
        is_over = self.agreement(agreement).ended_at is not None
        return reports if is_over and all(each.state == "posted" for each in reports) else []

    def agreement(self, id: str) -> Agreement:
        return next(each for each in self.team.agreements() if each.id == id)

    @contextmanager
    def bee(self, name: str, *, url: str = "", clock_ahead_s: float = 0) -> Iterator[Bee]:
        """An agent that has joined and runs; it and all it started are gone afterwards."""
        bee = Bee(self.folder / name, url or self.url, clock_ahead_s)
        if not bee.home.exists():
            bee.join(self.url, self.enrolments.pop())
        try:
            bee.start()
            until(lambda: self._is_ready(bee), within_s=30)
            yield bee
        finally:
            bee.end()

    def _is_ready(self, bee: Bee) -> bool:
        return any(node.id == bee.node_id and node.offers for node in self.team.nodes())


@dataclass
class Bee:
    home: Path
    url: str
    clock_ahead_s: float = 0
    """By how much its machine's clock is ahead, for all that Python asks; the agent asks nobody else."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def node_id(self) -> str:
        address = json.loads((self.home / "keystore.json").read_text())["address"]
        return "0x" + str(address).lower().removeprefix("0x")

    @property
    def words(self) -> str:
        """What it said to its owner."""
        return self.home.with_suffix(".log").read_text()

    def join(self, url: str, token: str) -> None:
        options = ["--home", str(self.home), "--name", self.home.name, "--runtime", "process"]
        options += ["--threads", "1", "--memory", "1"]
        subprocess.run(self._agent("join", url, token, *options), cwd=ROOT, check=True, capture_output=True)
        put_image(self.home, "hive/hello:1", SERVER)

    def leave(self) -> None:
        """As a restart of the service does it: the agent ends, what it runs goes on."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def start(self) -> None:
        command = self._agent("run", "--home", str(self.home), "--url", self.url)
        with self.home.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log)

    def replicas(self) -> list[psutil.Process]:
        """Guards, and with them what they guard."""
        return [each for each in left_of(self.home) if "guard" in " ".join(each.info["cmdline"])]

    def end(self) -> None:
        if self.process and self.process.poll() is None:
            self.leave()
        kill_what_is_left(self.home)

    def _agent(self, *arguments: str) -> list[str]:
        shift_ns = int(self.clock_ahead_s * 1e9)
        program = (
            f"import time; ns, s = time.time_ns, time.time; time.time_ns = lambda: ns() + {shift_ns}; "
            f"time.time = lambda: s() + {self.clock_ahead_s}; "
            "from agent.cli import agent_group; agent_group()"
        )
        return [sys.executable, "-c", program, *arguments]


@contextmanager
def whole_hive(folder: Path) -> Iterator[WholeHive]:
    """The tests' own servers are in the environment; a whole Hive starts its own."""
    ours = ("HIVE_", "DJANGO_", "DATABASE_URL", "REDIS_URL")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    with patch.dict(os.environ, clean, clear=True), ExitStack() as open_things:
        home = HiveHome(folder / "queen")
        port, edge_port = ports.find(), ports.find()
        queen = Hive(home, port=port, edge_port=edge_port, chain=False, environ=PACE, say=lambda line: None)
        hive = open_things.enter_context(queen)
        cast = json.loads(hive.manage("shell", "-v", "0", "-c", CAST).splitlines()[-1])
        team = open_things.enter_context(hive_client.Hive(hive.portal_url, cast["api"]))
        yield WholeHive(hive.portal_url, team, cast["bees"], folder, hive.manage)


def until(probe: Callable[[], T], *, within_s: float = 15) -> T:
    """Its first truthy answer: what other processes bring about."""
    ends_at = time.monotonic() + within_s
    while not (answer := probe()):
        assert time.monotonic() < ends_at, f"it did not happen within {within_s:g} s"
        time.sleep(0.1)
    return answer
