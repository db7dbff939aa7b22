"""The demo as a story of named steps. It does what users do, through the SDK, the edge and the chain.

Only what has no user's door yet (paying out at once instead of by schedule) calls the Queen's own verbs.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from apps.billing.treasury.signers import treasury_address
from apps.money import plain
from apps.nodes.models import Node, NodeState
from hive_client import Hive, HiveError
from hive_client.nouns import Replica
from hive_portal.demo.bees import DemoBee, prepare_bees
from hive_portal.demo.people import Cast, enrolment_token, gather_cast
from hive_portal.demo.proving import prove_wallet
from hive_portal.demo.receipt import Receipt
from hive_portal.demo.settling import settle
from hive_portal.demo.telling import step
from hive_portal.demo.visitors import Visitors
from hive_portal.demo.waiting import until
from hive_portal.stack import HiveHome
from hive_portal.stack.glm import DevelopmentGlm

COMPOSE = Path(__file__).resolve().parents[2] / "examples" / "hello" / "compose.yaml"
NAME = "hello"
DEPOSIT_GLM = Decimal(10)
ENOUGH_GLM = Decimal(5)
REPLICAS = 3
TEAM_WALLET: LocalAccount = Account.from_key(keccak(text="the demo team's wallet"))
"""Its key is known to everybody, like all keys of the development chain."""


class Story:
    """One telling: the cast, the Bees and the receipt that fills."""

    def __init__(self, home: HiveHome, portal_url: str, edge_url: str) -> None:
        self.home, self.portal_url, self.edge_url = home, portal_url, edge_url
        self.receipt = Receipt()
        self.begun_at = timezone.now()
        self.cast: Cast = gather_cast()
        self.hive = Hive(portal_url, self.cast.token)
        self.bees: list[DemoBee] = []

    def tell(self) -> None:
        self.deposit_glm()
        self.bring_bees()
        self.deploy()
        self.visit()
        self.lose_a_bee()
        self.settle()

    def deposit_glm(self) -> None:
        with step("The team deposits GLM on the chain") as told:
            glm = DevelopmentGlm(settings.HIVE_RPC_URL)
            glm.fund_gas(treasury_address())
            wallet = TEAM_WALLET
            if wallet.address.lower() not in {known.address for known in self.hive.wallets}:
                prove_wallet(self.hive, wallet)
            if self._available() < ENOUGH_GLM:
                glm.deposit(wallet, treasury_address(), DEPOSIT_GLM)
                until("the deposit credited", lambda: self._available() >= ENOUGH_GLM, timeout_s=30)
            told.result = f"{plain(self._available())} GLM available, credited by the chain watcher"

    def bring_bees(self) -> None:
        with step("Three Bees join") as told:
            self.bees = prepare_bees(self.home, self.portal_url)
            tokens = {bee.name: enrolment_token(self.cast) for bee in self.bees if not bee.is_joined}
            with ThreadPoolExecutor() as side_by_side:
                list(side_by_side.map(lambda bee: self._bring(bee, tokens.get(bee.name)), self.bees))
            until("three Bees online with an offer", lambda: self._ready_bees() == REPLICAS, timeout_s=30)
            told.result = ", ".join(f"{bee.name} ({bee.runtime})" for bee in self.bees)

    def _bring(self, bee: DemoBee, token: str | None) -> None:
        if token:
            bee.join(token)
        bee.start()

    def deploy(self) -> None:
        self._end_what_an_earlier_demo_left()
        source = COMPOSE.read_text()
        with step(f"Plan for examples/hello/{COMPOSE.name}") as told:
            plan = self.hive.plan(source, file_name=COMPOSE.name)
            told.result = f"{len(plan.placements)} replicas, {plain(plan.price_per_hour_glm)} GLM/h"
        with step("Hold, negotiate, sign, lease, start") as told:
            deployment = self.hive.wait(self.hive.apply(plan), timeout_s=90)
            replicas = self._replicas()
            told.result = f"{len(replicas)} healthy on {', '.join(replica.node_name for replica in replicas)}"
        self.receipt.deployment = {
            "id": deployment.id,
            "name": deployment.name,
            "url": deployment.url,
            "price_per_hour_glm": plain(deployment.price_per_hour_glm),
        }
        self.receipt.replicas = [_as_receipt(replica) for replica in replicas]

    def visit(self) -> None:
        host = self._host()
        with step(f"Visitors come to http://{host} through the edge") as told:
            with Visitors(self.edge_url, host) as visitors:
                until("every replica answers", lambda: len(visitors.replicas) == REPLICAS, timeout_s=20)
                until("300 visits", lambda: visitors.requests >= 300, timeout_s=30)
            seen = sorted(visitors.replicas)
            told.result = (
                f"{visitors.requests} requests, {visitors.failed} failed, {', '.join(seen)} answered"
            )
        self.receipt.edge = {
            "requests": visitors.requests,
            "failed": visitors.failed,
            "failures": visitors.failures[:5],
            "replicas_seen": seen,
        }

    def lose_a_bee(self) -> None:
        victim = self._replicas()[0]
        bee = next(bee for bee in self.bees if bee.node_id == victim.node_id)
        with step(f"Bee {bee.name} is killed while visitors keep coming") as told:
            with Visitors(self.edge_url, self._host()) as visitors:
                until("visitors are there", lambda: visitors.requests >= 100, timeout_s=10)
                killed_at = time.monotonic()
                bee.kill()
                heir = until("the replica replaced", lambda: self._heir(victim), timeout_s=60)
                replaced_in_s = round(time.monotonic() - killed_at, 2)
                enough = visitors.requests + 200
                until("visits afterwards", lambda: visitors.requests >= enough, timeout_s=30)
            told.result = (
                f"{visitors.requests} requests, {visitors.failed} failed; "
                f"{heir.name} runs on {heir.node_name} after {replaced_in_s} s"
            )
        self.receipt.failover = {
            "killed_node": bee.node_id,
            "killed_node_name": bee.name,
            "replica": victim.name,
            "requests": visitors.requests,
            "failed": visitors.failed,
            "failures": visitors.failures[:5],
            "replaced_in_s": replaced_in_s,
            "replaced_on": heir.node_id,
        }
        with step(f"Bee {bee.name} comes back and reports what it had not told"):
            bee.start()
            until("three Bees online", lambda: self._ready_bees() == REPLICAS, timeout_s=30)

    def settle(self) -> None:
        with step("Meter, invoice, pay the Bees, reconcile with the chain") as told:
            invoice = settle(self.cast.team, self.begun_at, self.receipt)
            paid = sum((Decimal(payment["amount_glm"]) for payment in self.receipt.payments), Decimal(0))
            told.result = (
                f"{invoice.number} over {plain(invoice.total_glm)} GLM, {plain(paid)} GLM paid to Bees, final"
            )

    def end(self) -> None:
        """Stop the Bees side by side; nothing of what they ran stays."""
        self.hive.close()
        with ThreadPoolExecutor() as side_by_side:
            list(side_by_side.map(DemoBee.stop, self.bees))

    def _end_what_an_earlier_demo_left(self) -> None:
        try:
            left = self.hive.deployments.get(NAME)
        except HiveError as error:
            if error.status == 404:
                return
            raise
        if left.status != "stopped":
            with step("What an earlier demo left is stopped"):
                self.hive.deployments.stop(NAME, reason="a new demo begins")
                until("stopped", lambda: self.hive.deployments.get(NAME).status == "stopped", timeout_s=60)

    def _replicas(self) -> list[Replica]:
        return self.hive.deployments.replicas(NAME)

    def _heir(self, victim: Replica) -> Replica | None:
        """The next generation of the victim, once it is healthy."""
        return next(
            (
                replica
                for replica in self._replicas()
                if replica.name == victim.name
                and replica.generation > victim.generation
                and replica.state == "healthy"
            ),
            None,
        )

    def _ready_bees(self) -> int:
        ours = [bee.node_id for bee in self.bees]
        live = Node.objects.filter(id__in=ours, state=NodeState.ONLINE, offers__state="live")
        return live.distinct().count()

    def _available(self) -> Decimal:
        return self.cast.budget.available_glm

    def _host(self) -> str:
        url = str(self.receipt.deployment["url"])
        return url.split("//", 1)[1].split("/", 1)[0]


def _as_receipt(replica: Replica) -> dict[str, Any]:
    return {
        "name": replica.name,
        "node": replica.node_id,
        "node_name": replica.node_name,
        "agreement": replica.agreement,
        "price_per_hour_glm": plain(replica.price_per_hour_glm or Decimal(0)),
    }
