"""Scaling, stopping, starting and applying anew: what is wanted changes, and what runs follows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from apps.billing.models import Budget, Hold, HoldState
from apps.deployments import edge
from apps.deployments.applying import scale, start, stop
from apps.deployments.assignments import wanted_assignments
from apps.deployments.models import Assignment, AssignmentState, Deployment, Replica
from apps.deployments.planning import draw_up_plan
from apps.deployments.status import DeploymentStatus, status_of
from apps.market.models import Agreement, AgreementState
from apps.nodes.models import Node
from apps.teams.models import AuditLine, Team, User
from tests.deployments.conftest import COMPOSE, TESTER, Hive, active, replicas, seconds, states

pytestmark = pytest.mark.django_db


def told(hive: Hive) -> None:
    """The Queen looks, two seconds pass, and the Bees say what they still run."""
    hive.look()
    released = Assignment.objects.filter(state=AssignmentState.RELEASED)
    released.update(state_since=timezone.now() - seconds(3))
    drained(hive)
    hive.turn(2)


def drained(hive: Hive) -> None:
    """What has left the edge has answered its last visitor, and the Queen looks."""
    Replica.objects.exclude(leaving_at=None).update(leaving_at=timezone.now() - seconds(3))
    hive.look()


def test_it_scales_up(running: Deployment, hive: Hive) -> None:
    scale(running.services.get(), 5, actor=TESTER)
    hive.turn(2)
    assert states(running) == ["healthy"] * 5


def test_it_scales_down_to_the_lowest_numbers(running: Deployment, hive: Hive) -> None:
    scale(running.services.get(), 1, actor=TESTER)
    hive.look()
    assert len(edge.backends()[0].endpoints) == 1
    assert states(running) == ["healthy"] * 3  # while their visitors are served
    drained(hive)
    assert states(running) == ["healthy", "stopping", "stopping"]
    told(hive)
    assert states(running) == ["healthy", "stopped", "stopped"]
    assert Agreement.objects.filter(state=AgreementState.APPROVED).count() == 1
    assert status_of(running) == DeploymentStatus.HEALTHY


def test_it_scales_up_again_in_the_next_generation(running: Deployment, hive: Hive) -> None:
    web = running.services.get()
    scale(web, 1, actor=TESTER)
    hive.look()
    scale(web, 3, actor=TESTER)  # before the Bees have stopped anything
    told(hive)
    told(hive)
    assert states(running) == ["healthy"] * 3
    assert [one.generation for one in replicas(running)] == [1, 2, 2]


@pytest.mark.parametrize("number", [-1, 1001])
def test_it_refuses_to_scale_out_of_bounds(running: Deployment, number: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 1000"):
        scale(running.services.get(), number, actor=TESTER)


def test_it_stops_everything_and_ends_the_agreements(running: Deployment, hive: Hive) -> None:
    stop(running, actor=TESTER, reason="enough")
    hive.look()
    assert states(running) == ["stopping"] * 3
    assert all(not wanted_assignments([node_id])[node_id] for node_id in hive.bees)
    assert status_of(running) == DeploymentStatus.STOPPING
    # Not before the Bees have said so: what they still run is still theirs to bill.
    assert Agreement.objects.filter(state=AgreementState.APPROVED).count() == 3
    told(hive)
    assert states(running) == ["stopped"] * 3
    assert Agreement.objects.filter(state=AgreementState.TERMINATED).count() == 3
    assert status_of(running) == DeploymentStatus.STOPPED
    line = AuditLine.objects.get(noun="deployment", after="stopped")
    assert (line.before, line.reason, line.team) == ("running", "enough", running.team)


def test_it_stops_what_was_not_placed_yet(
    hive: Hive, deploy: Callable[..., Deployment], budget: Budget
) -> None:
    for bee in hive.bees.values():
        bee.silent = True
    deployment = deploy()
    hive.turn()
    assert budget.held_glm > 0
    stop(deployment, actor=TESTER, reason="enough")
    hive.look()
    assert states(deployment) == ["stopped"] * 3
    assert budget.held_glm == 0
    assert set(Node.objects.values_list("cpu_threads_claimed", flat=True)) == {0}


def test_it_counts_a_silent_bee_as_stopped_when_its_lease_is_over(running: Deployment, hive: Hive) -> None:
    node_id = active(running)[0].node_id
    hive.bees[node_id].silent = True
    stop(running, actor=TESTER, reason="enough")
    told(hive)
    assert sorted(states(running)) == ["stopped", "stopped", "stopping"]
    Assignment.objects.filter(node=node_id).update(lease_until=timezone.now(), deadline_at=timezone.now())
    hive.look()
    assert states(running) == ["stopped"] * 3


def test_it_starts_again(running: Deployment, hive: Hive) -> None:
    stop(running, actor=TESTER, reason="enough")
    told(hive)
    told(hive)
    start(running, actor=TESTER, reason="again")
    hive.turn(2)
    assert states(running) == ["healthy"] * 3
    assert {one.generation for one in replicas(running)} == {2}


def test_it_rolls_out_a_new_image_one_at_a_time(
    running: Deployment, hive: Hive, deploy: Callable[..., Deployment]
) -> None:
    assert deploy(COMPOSE.replace("hello:1", "hello:2")) == running
    fewest = 3
    for _ in range(12):
        told(hive)
        fewest = min(fewest, len(edge.backends()[0].endpoints))
    assert fewest >= 2
    assert states(running) == ["healthy"] * 3
    assert [one.generation for one in replicas(running)] == [2, 2, 2]
    assert {one.agreement.image for one in active(running)} == {"hive/hello:2"}


def test_it_stops_a_replica_only_after_it_has_left_the_edge(
    running: Deployment, hive: Hive, deploy: Callable[..., Deployment]
) -> None:
    served = len(active(running))
    deploy(COMPOSE.replace("hello:1", "hello:2"))
    hive.look()
    assert len(edge.backends()[0].endpoints) == served - 1
    assert len(active(running)) == served  # still wanted of its Bee
    [leaving] = [one for one in replicas(running) if one.leaving_at]
    assert (leaving.state, leaving.reason) == ("healthy", "about to stop: the deployment changed")
    drained(hive)
    leaving.refresh_from_db()
    assert (leaving.generation, leaving.leaving_at) == (2, None)


def test_it_is_not_there_before_the_change_is(
    running: Deployment, hive: Hive, deploy: Callable[..., Deployment]
) -> None:
    deploy(COMPOSE.replace("hello:1", "hello:2"))
    assert states(running) == ["healthy"] * 3
    assert status_of(running) == DeploymentStatus.STARTING
    for _ in range(6):
        told(hive)
        there = {(one.generation, one.state) for one in replicas(running)} == {(2, "healthy")}
        assert (status_of(running) == DeploymentStatus.HEALTHY) == there
    assert {one.agreement.image for one in active(running)} == {"hive/hello:2"}


def test_a_plan_warns_of_an_interruption(
    hive: Hive, deploy: Callable[..., Deployment], team: Team, owner: User
) -> None:
    one = COMPOSE.replace("replicas: 3", "replicas: 1")
    deploy(one)

    def notes(source: str) -> list[str]:
        return draw_up_plan(team=team, author=owner, source=source).manifest["notes"]

    assert notes(one) == notes(COMPOSE.replace("hello:1", "hello:2")) == []
    [note] = notes(one.replace("hello:1", "hello:2"))
    assert note.startswith("services.web.deploy.replicas: with one replica this change interrupts it")


def test_it_rolls_no_further_when_the_new_one_is_not_healthy(
    running: Deployment, hive: Hive, deploy: Callable[..., Deployment]
) -> None:
    deploy(COMPOSE.replace("hello:1", "hello:2"))
    hive.look()
    for _ in range(3):  # the market and the new one's Bee say nothing
        drained(hive)
        assert states(running).count("healthy") == 2


def test_it_keeps_what_runs_when_only_numbers_change(
    running: Deployment, hive: Hive, deploy: Callable[..., Deployment]
) -> None:
    before = {one.pk for one in active(running)}
    deploy(COMPOSE.replace("replicas: 3", "replicas: 4").replace("x-hive: {", "x-hive: {lease: 30m, "))
    hive.turn(2)
    assert before < {one.pk for one in active(running)}
    assert states(running) == ["healthy"] * 4


def test_it_lets_go_of_a_service_that_left_the_file(
    running: Deployment, hive: Hive, deploy: Callable[..., Deployment]
) -> None:
    deploy("name: hello\nservices:\n  other: {image: hive/hello:1, x-hive: {runtime: process}}\n")
    told(hive)
    told(hive)
    assert states(running) == ["healthy", "stopped", "stopped", "stopped"]
    assert running.services.get(name="web").host is None


def test_it_releases_every_hold_in_the_end(running: Deployment, hive: Hive, budget: Budget) -> None:
    from apps.billing.budgets.holding import free_ended_holds

    stop(running, actor=TESTER, reason="enough")
    told(hive)
    Agreement.objects.update(ended_at=timezone.now() - seconds(86400))
    free_ended_holds()
    assert not Hold.objects.filter(state=HoldState.HELD).exists()
    assert (budget.held_glm, budget.available_glm) == (0, 10)


def test_it_leaves_no_replica_without_a_deadline(running: Deployment, hive: Hive) -> None:
    settled = Replica.terminal_states()
    scale(running.services.get(), 2, actor=TESTER)
    for _ in range(3):
        hive.turn()
        assert not Replica.objects.exclude(state__in=settled).filter(deadline_at=None).exists()
