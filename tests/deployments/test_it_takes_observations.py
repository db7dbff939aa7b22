"""What Bees report is written in sets, ends what is gone, and can't touch what is not theirs."""

from __future__ import annotations

import pytest
from django.utils import timezone

from agent.protocol import Observed, ObservedAssignment, RunState
from apps.deployments.models import Assignment, AssignmentState, Deployment, Replica
from apps.deployments.observing import demands_moved, nodes_changed, take_observations
from tests.deployments.conftest import Hive, active, replicas, seconds

pytestmark = pytest.mark.django_db


def report(assignment: Assignment, **fields: object) -> Observed:
    given = {
        "assignment_id": str(assignment.pk),
        "generation": assignment.generation,
        "state": RunState.UNHEALTHY,
        "reason": "GET /health: 500",
        "endpoint": "127.0.0.1:9",
    }
    return Observed(revision=1, at_ms=0, assignments=[ObservedAssignment(**(given | fields))])  # type: ignore[arg-type]


def test_it_writes_what_the_bee_says(running: Deployment) -> None:
    one = active(running)[0]
    take_observations({one.node_id: report(one, restarts=2)})
    one.refresh_from_db()
    assert (one.observed, one.observed_reason, one.restarts) == ("unhealthy", "GET /health: 500", 2)
    assert one.endpoint == "127.0.0.1:9"


def test_it_remembers_an_endpoint_that_is_no_longer_told(running: Deployment) -> None:
    one = active(running)[0]
    take_observations({one.node_id: report(one, endpoint="")})
    before = one.endpoint
    one.refresh_from_db()
    assert one.endpoint == before != ""


@pytest.mark.parametrize("fields", [{"generation": 7}, {"assignment_id": "nonsense"}])
def test_it_passes_over_what_it_does_not_know(running: Deployment, fields: dict[str, object]) -> None:
    one = active(running)[0]
    take_observations({one.node_id: report(one, **fields)})
    one.refresh_from_db()
    assert one.observed == "healthy"


def test_it_believes_a_bee_only_about_its_own(running: Deployment) -> None:
    one, two, _ = active(running)
    take_observations({two.node_id: report(one)})
    one.refresh_from_db()
    assert one.observed == "healthy"


def test_it_waits_for_a_bee_to_stop_what_was_released(running: Deployment, hive: Hive) -> None:
    one = active(running)[0]
    Assignment.objects.filter(pk=one.pk).update(state=AssignmentState.RELEASED, state_since=timezone.now())
    take_observations({one.node_id: report(one, state=RunState.STOPPING)})
    one.refresh_from_db()
    assert one.state == AssignmentState.RELEASED
    take_observations({one.node_id: report(one, state=RunState.STOPPED, reason="")})
    one.refresh_from_db()
    assert one.state == AssignmentState.ENDED


def test_it_takes_a_missing_one_for_gone_after_a_while(running: Deployment) -> None:
    one = active(running)[0]
    nothing = Observed(revision=1, at_ms=0, assignments=[])
    released = Assignment.objects.filter(pk=one.pk)
    released.update(state=AssignmentState.RELEASED, state_since=timezone.now())
    take_observations({one.node_id: nothing})
    assert released.get().state == AssignmentState.RELEASED
    released.update(state_since=timezone.now() - seconds(3))
    take_observations({one.node_id: nothing})
    assert released.get().state == AssignmentState.ENDED


def test_it_asks_the_database_as_often_for_many_as_for_one(
    running: Deployment, django_assert_max_num_queries: object
) -> None:
    seen = {one.node_id: report(one) for one in active(running)}
    with django_assert_max_num_queries(9):  # type: ignore[operator]
        take_observations(seen)
    with django_assert_max_num_queries(3):  # type: ignore[operator]
        take_observations(seen)  # nothing new


def test_it_wakes_the_replicas_concerned(running: Deployment) -> None:
    later = timezone.now() + seconds(60)
    Replica.objects.update(retry_at=later)
    nodes_changed([active(running)[0].node_id])
    assert [one.retry_at < later for one in replicas(running)] == [True, False, False]
    demands_moved([replicas(running)[1].demand_id])  # type: ignore[list-item]
    assert [one.retry_at < later for one in replicas(running)] == [True, True, False]
