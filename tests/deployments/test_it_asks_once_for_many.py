"""What Bees should run, and what they say they run, costs as many queries for many nodes as for one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agent.protocol import Observed
from apps.deployments.assignments import wanted_assignments
from apps.deployments.models import Deployment, Replica
from apps.deployments.observing import take_observations
from apps.deployments.replicas import ReplicaState
from tests.deployments.conftest import Hive, active

pytestmark = pytest.mark.django_db


def queries(work: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def test_what_they_should_run(running: Deployment) -> None:
    nodes = [one.node_id for one in active(running)]
    assert len(nodes) == 3

    assert queries(lambda: wanted_assignments(nodes)) == 1
    wanted = wanted_assignments(nodes)
    assert {node_id: [one.replica for one in wanted[node_id]] for node_id in nodes} == {
        one.node_id: [one.replica.name] for one in active(running)
    }


def test_what_they_say_they_run(running: Deployment, hive: Hive) -> None:
    seen: dict[str, Observed] = {one.node_id: hive.bees[one.node_id].observed() for one in active(running)}
    first = next(iter(seen))

    take_observations(seen)
    assert queries(lambda: take_observations(seen)) == queries(
        lambda: take_observations({first: seen[first]})
    )


def test_the_market_of_many_that_wait(hive: Hive, deploy: Callable[..., Deployment]) -> None:
    """What the plan put nowhere is quoted out of one look at the book."""
    deploy()
    Replica.objects.update(planned_offer=None)
    with CaptureQueriesContext(connection) as captured:
        hive.look()
    assert Replica.objects.filter(state=ReplicaState.NEGOTIATING).count() == 3
    books = [query for query in captured if '"market_nodereputation"."score"' in query["sql"]]
    assert len(books) == 1
