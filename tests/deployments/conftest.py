"""A hive in miniature: nodes with real keys that sign and report; all on the Queen's side is real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from eth_account.signers.local import LocalAccount

from agent import protocol, typed_data
from agent.protocol import Observed, ObservedAssignment, RunState
from apps.billing.models import Budget
from apps.deployments.applying import apply_plan
from apps.deployments.assignments import wanted_assignments
from apps.deployments.models import Assignment, Deployment, Replica
from apps.deployments.observing import take_observations
from apps.deployments.planning import draw_up_plan
from apps.deployments.reconcile import reconcile_due
from apps.market.negotiating.negotiation import agreements_for, take_answers
from apps.market.tasks import negotiate_due
from apps.nodes import presence
from apps.nodes.models import Node, NodeState, Offer
from apps.teams.audit import Actor
from apps.teams.models import Team, User
from tests.cast import key_of_bee

TESTER = Actor.queen("test")

COMPOSE = """
name: hello
services:
  web:
    image: hive/hello:1
    ports: ["8080"]
    deploy:
      replicas: 3
      resources: {limits: {cpus: "0.25", memory: 256M}}
    x-hive: {runtime: [process], health: {http: /health}}
"""


@dataclass
class Bee:
    """The far end of a node: signs what it is asked to, and says `says` of each of its assignments."""

    node: Node
    key: LocalAccount
    says: RunState = RunState.HEALTHY
    reason: str = ""
    silent: bool = False

    def answer(self) -> None:
        to_sign = agreements_for([self.node.id])[self.node.id]
        take_answers(node_id=self.node.id, answers=[self._sign(one.terms) for one in to_sign])

    def _sign(self, terms: protocol.Terms) -> protocol.Answer:
        message = typed_data.agreement(terms, chain_id=settings.HIVE_CHAIN_ID)
        return protocol.Answer(
            verdict=protocol.Verdict.ACCEPTED,
            agreement_id=terms.agreement_id,
            signature=typed_data.sign(message, self.key),
        )

    def observed(self) -> Observed:
        port = 31000 + int(self.node.id[-3:], 16)
        reports = [
            ObservedAssignment(
                assignment_id=one.assignment_id,
                generation=one.generation,
                state=self.says,
                reason=self.reason,
                endpoint=f"127.0.0.1:{port + number}",
            )
            for number, one in enumerate(wanted_assignments([self.node.id])[self.node.id])
        ]
        return Observed(revision=1, at_ms=0, assignments=reports)


@dataclass
class Hive:
    """Turns the wheels that Celery and the links turn in life, without waiting for their clocks."""

    bees: dict[str, Bee] = field(default_factory=dict)

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.look()
            negotiate_due()
            there = [bee for bee in self.bees.values() if not bee.silent]
            for bee in there:
                bee.answer()
            self.look()
            take_observations({bee.node.id: bee.observed() for bee in there})
            self.look()

    def look(self) -> None:
        Replica.objects.update(retry_at=timezone.now())
        reconcile_due()

    def lose(self, node_id: str) -> None:
        self.bees[node_id].silent = True
        for state in (NodeState.UNKNOWN, NodeState.OFFLINE):
            Node.objects.filter(pk=node_id).update(state=state)


@pytest.fixture
def hive(db: None, make_node: Callable[..., Node], make_offer: Callable[..., Offer], budget: Budget) -> Hive:
    """Three Bees with 4 threads each, and a budget of 10 GLM."""
    hive = Hive()
    for number in (1, 2, 3):
        key = key_of_bee(number)
        node = make_node(key)
        make_offer(node)
        presence.link_opened(node_id=node.id, channel=f"link {number}", peer="127.0.0.1")
        hive.bees[node.id] = Bee(node, key)
    return hive


@pytest.fixture
def deploy(team: Team, owner: User) -> Callable[..., Deployment]:
    """`deploy(source=COMPOSE)`: plan and apply."""

    def planned_and_applied(source: str = COMPOSE) -> Deployment:
        plan = draw_up_plan(team=team, author=owner, source=source)
        return apply_plan(plan, actor=TESTER)

    return planned_and_applied


@pytest.fixture
def running(hive: Hive, deploy: Callable[..., Deployment]) -> Deployment:
    """`COMPOSE`, healthy on three nodes."""
    deployment = deploy()
    hive.turn(2)
    return deployment


def states(deployment: Deployment) -> list[str]:
    return [replica.state for replica in replicas(deployment)]


def replicas(deployment: Deployment) -> list[Replica]:
    found = Replica.objects.filter(service__deployment=deployment).select_related("service__deployment")
    return list(found.order_by("service__name", "index"))


def active(deployment: Deployment) -> list[Assignment]:
    found = Assignment.objects.filter(replica__service__deployment=deployment, state="active")
    return list(found.select_related("node", "agreement__hold", "replica").order_by("replica__index"))


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
