"""A node is lost, a replica fails, money runs out: the next generation comes, or a reason why not."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from unittest.mock import patch

import pytest
from django.utils import timezone

from agent.protocol import RunState
from apps.billing.budgets.holding import place_hold
from apps.billing.models import Budget
from apps.deployments import reconcile
from apps.deployments.assignments import sweep_lost, wanted_assignments
from apps.deployments.models import Assignment, AssignmentState, Deployment, Replica
from apps.market.models import Agreement, AgreementState
from apps.nodes.models import Node, NodeState, Scheduling
from tests.deployments.conftest import Hive, active, replicas, seconds, states
from tests.deployments.test_it_changes_deployments import told

pytestmark = pytest.mark.django_db


def test_it_replaces_a_lost_node_on_the_survivors(running: Deployment, hive: Hive) -> None:
    lost = active(running)[0]
    hive.lose(lost.node_id)
    hive.look()
    replica = replicas(running)[0]
    assert replica.generation == 2
    assert replica.state == "negotiating"
    hive.turn()
    assert states(running) == ["healthy"] * 3
    assert lost.node_id not in {one.node_id for one in active(running)}
    lost.agreement.refresh_from_db()
    assert lost.agreement.state == AgreementState.TERMINATED


def test_it_finds_a_lost_node_before_the_replicas_next_look(running: Deployment, hive: Hive) -> None:
    Replica.objects.update(retry_at=timezone.now() + seconds(60))
    hive.lose(active(running)[0].node_id)
    reconcile.reconcile_due()
    assert replicas(running)[0].generation == 2


def test_it_keeps_a_replica_on_a_silent_node(running: Deployment, hive: Hive) -> None:
    Node.objects.update(state=NodeState.UNKNOWN)
    hive.look()
    assert states(running) == ["healthy"] * 3
    assert {one.generation for one in replicas(running)} == {1}


def test_it_never_wants_two_generations_at_once(running: Deployment, hive: Hive) -> None:
    lost = active(running)[0]
    hive.lose(lost.node_id)
    hive.turn()
    # The node comes back: what it ran is not wanted of it any more.
    assert wanted_assignments([lost.node_id])[lost.node_id] == []
    assert Assignment.objects.filter(replica=lost.replica, state=AssignmentState.ACTIVE).count() == 1
    lost.refresh_from_db()
    assert lost.state == AssignmentState.RELEASED
    Assignment.objects.filter(pk=lost.pk).update(deadline_at=timezone.now())
    assert sweep_lost() == 1
    lost.refresh_from_db()
    assert lost.state == AssignmentState.LOST


def test_it_takes_a_failed_replica_elsewhere(running: Deployment, hive: Hive) -> None:
    bad = active(running)[0]
    hive.bees[bad.node_id].says, hive.bees[bad.node_id].reason = RunState.FAILED, "exit status 1"
    hive.turn(4)
    replica = replicas(running)[0]
    assert replica.state == "healthy"
    assert replica.assignment is not None and replica.assignment.node_id != bad.node_id
    assert replica.attempts == 1


def test_it_gives_up_on_what_never_starts(hive: Hive, deploy: Callable[..., Deployment]) -> None:
    for bee in hive.bees.values():
        bee.says, bee.reason = RunState.FAILED, "image hive/hello:1 is not in this bee's catalogue"
    deployment = deploy()
    for _ in range(8):
        told(hive)
    assert states(deployment) == ["failed"] * 3
    replica = replicas(deployment)[0]
    assert replica.generation == 5
    assert replica.reason.startswith("failed 5 times in a row")
    assert replica.reason.endswith("is not in this bee's catalogue")
    assert not Agreement.objects.filter(state=AgreementState.APPROVED).exists()


def test_it_waits_between_attempts(running: Deployment, hive: Hive) -> None:
    bad = active(running)[0]
    Assignment.objects.filter(pk=bad.pk).update(observed=RunState.FAILED)
    hive.look()
    replica = replicas(running)[0]
    assert replica.state == "pending"
    assert seconds(0.5) < replica.retry_at - timezone.now() <= seconds(1)


def test_it_replaces_what_stays_unhealthy(running: Deployment, hive: Hive) -> None:
    bad = active(running)[0]
    bee = hive.bees[bad.node_id]
    bee.says, bee.reason = RunState.UNHEALTHY, "GET /health: 500"
    hive.turn()
    replica = replicas(running)[0]
    assert (replica.state, replica.generation) == ("unhealthy", 1)
    assert replica.reason.endswith("GET /health: 500")
    Replica.objects.filter(pk=replica.pk).update(deadline_at=timezone.now())
    hive.look()
    assert replicas(running)[0].generation == 2


def test_it_recovers_where_it_is(running: Deployment, hive: Hive) -> None:
    bee = hive.bees[active(running)[0].node_id]
    bee.says = RunState.UNHEALTHY
    hive.turn()
    bee.says = RunState.HEALTHY
    hive.turn()
    assert states(running) == ["healthy"] * 3
    assert {one.generation for one in replicas(running)} == {1}


def test_it_drains_a_node_one_replica_at_a_time(running: Deployment, hive: Hive) -> None:
    node = active(running)[0].node
    Node.objects.filter(pk=node.pk).update(scheduling=Scheduling.DRAINING)
    for _ in range(3):
        told(hive)
        assert states(running).count("healthy") >= 2
    assert states(running) == ["healthy"] * 3
    assert node.pk not in {one.node_id for one in active(running)}


def test_it_ends_an_agreement_that_the_budget_can_not_pay(
    hive: Hive, deploy: Callable[..., Deployment], budget: Budget
) -> None:
    """The hold was made at the quote; what was agreed in the end costs more than is left."""
    deployment = deploy()
    hive.look()
    rest = budget.available_glm
    place_hold(budget=budget, reference="else", amount_glm=rest, until=timezone.now() + seconds(3600))
    hive.turn()
    # The first to come is let go; what it had held pays the start price of the others.
    assert sorted(states(deployment)) == ["healthy", "healthy", "pending"]
    [waiting] = [one for one in replicas(deployment) if one.state == "pending"]
    assert waiting.reason.startswith("budget bakery/main has 0")
    assert Agreement.objects.filter(state=AgreementState.APPROVED).count() == 2


def test_it_lets_no_replica_hold_up_the_others(running: Deployment, hive: Hive) -> None:
    hive.lose(active(running)[0].node_id)
    real = reconcile.act

    def broken(replica: Replica, *args: object, **kwargs: object) -> None:
        if replica.index == 2:
            raise RuntimeError("a bug")
        real(replica, *args, **kwargs)  # type: ignore[arg-type]

    with patch.object(reconcile, "act", broken):
        hive.look()
    assert replicas(running)[0].generation == 2
    assert replicas(running)[1].retry_at > timezone.now() + seconds(3)


@pytest.mark.django_db(transaction=True)
def test_it_lets_one_worker_act_at_a_time(hive: Hive, deploy: Callable[..., Deployment]) -> None:
    """Eight threads, one replica each time: one hold, one demand, one assignment per generation."""
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connection

    def work(_: int) -> None:
        reconcile.reconcile_due()
        connection.close()

    deployment = deploy()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    hive.turn(2)
    assert states(deployment) == ["healthy"] * 3
    assert {one.generation for one in replicas(deployment)} == {1}
    assert Agreement.objects.count() == Assignment.objects.count() == 3
    assert Decimal(0) < sum(one.agreement.hold.amount for one in active(deployment)) < 1
