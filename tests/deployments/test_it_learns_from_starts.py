"""What replicas tell of their nodes: starts that worked, starts that failed there alone, work given back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from agent.protocol import RunState
from apps.deployments.applying import scale
from apps.deployments.models import Deployment
from apps.market.models import FactKind, ReputationFact
from apps.market.reputation.reckoning import judged_facts
from apps.nodes.models import Node
from apps.teams.models import User
from tests.deployments.conftest import TESTER, Hive, active, states
from tests.deployments.test_it_changes_deployments import told

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def owners(hive: Hive) -> None:
    """Each machine has an owner of its own, who is in no team."""
    for number, node_id in enumerate(hive.bees):
        keeper = User.objects.create_user(username=f"keeper-{number}", email=f"{number}@example.org")
        Node.objects.filter(pk=node_id).update(owner=keeper)


def counted(node_id: str, kind: FactKind) -> int:
    """Facts that hold against, or for, this node: not those that are nobody's fault."""
    node = Node.objects.get(pk=node_id)
    return sum(fact.kind == kind for fact in judged_facts([node], now=timezone.now())[node_id])


def test_a_start_speaks_for_the_node(running: Deployment) -> None:
    for one in active(running):
        assert counted(one.node_id, FactKind.STARTED) == 1


def test_one_that_fails_where_others_start_is_at_fault(hive: Hive, deploy: Callable[..., Deployment]) -> None:
    bad, *_ = hive.bees.values()
    bad.says, bad.reason = RunState.FAILED, "no space left on device"
    deployment = deploy()
    for _ in range(6):
        hive.turn()
    assert states(deployment) == ["healthy"] * 3
    assert counted(bad.node.pk, FactKind.START_FAILED) == 1
    others = [pk for pk in hive.bees if pk != bad.node.pk]
    assert sum(counted(pk, FactKind.START_FAILED) for pk in others) == 0


def test_what_comes_up_nowhere_is_nobodys_fault(hive: Hive, deploy: Callable[..., Deployment]) -> None:
    for bee in hive.bees.values():
        bee.says, bee.reason = RunState.FAILED, "exit status 127"
    deploy()
    for _ in range(8):
        hive.turn()
    assert ReputationFact.objects.filter(kind=FactKind.START_FAILED).exists()
    assert sum(counted(pk, FactKind.START_FAILED) for pk in hive.bees) == 0


def test_a_crash_after_a_good_start_is_the_images_affair(running: Deployment, hive: Hive) -> None:
    crashed = active(running)[0]
    hive.bees[crashed.node_id].says = RunState.FAILED
    hive.turn(4)
    kinds = ReputationFact.objects.filter(node=crashed.node_id).values_list("kind", flat=True)
    assert set(kinds) == {FactKind.STARTED}


def test_work_given_back_is_an_agreement_lost(running: Deployment, hive: Hive) -> None:
    given_back = active(running)[0]
    hive.bees[given_back.node_id].says = RunState.STOPPED
    hive.turn()
    [fact] = ReputationFact.objects.filter(node=given_back.node_id, kind=FactKind.LOST)
    assert (fact.agreement, fact.weight) == (given_back.agreement, 1.0)


def test_work_that_nobody_wants_any_more_is_not_lost(running: Deployment, hive: Hive) -> None:
    scale(running.services.get(), 1, actor=TESTER)
    told(hive)
    told(hive)
    assert states(running) == ["healthy", "stopped", "stopped"]
    assert not ReputationFact.objects.filter(kind=FactKind.LOST).exists()


def test_a_node_that_goes_loses_what_it_ran(running: Deployment, hive: Hive) -> None:
    lost = active(running)[0]
    hive.lose(lost.node_id)
    hive.turn(2)
    [fact] = ReputationFact.objects.filter(kind=FactKind.LOST)
    assert (fact.node_id, fact.agreement, fact.detail) == (lost.node_id, lost.agreement, "it fell silent")
