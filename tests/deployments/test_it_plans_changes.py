"""A plan for what runs already: what stays, what is replaced, and in whose room."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from apps.deployments.models import Deployment
from apps.deployments.planning import draw_up_plan
from apps.nodes.models import Node
from apps.teams.models import Team, User
from tests.deployments.conftest import COMPOSE, Hive, active, states
from tests.deployments.test_it_changes_deployments import told

pytestmark = pytest.mark.django_db

FULL = COMPOSE.replace('cpus: "0.25"', 'cpus: "4"')
"""Every replica takes the whole of a node."""


@pytest.fixture
def full(hive: Hive, deploy: Callable[..., Deployment]) -> Deployment:
    """Three Bees, each with one replica and no thread left."""
    deployment = deploy(FULL)
    hive.turn(2)
    return deployment


def test_it_has_successors_take_the_room_of_those_they_replace(
    full: Deployment, hive: Hive, team: Team, owner: User, deploy: Callable[..., Deployment]
) -> None:
    changed = FULL.replace("hello:1", "hello:2")
    plan = draw_up_plan(team=team, author=owner, source=changed)
    assert plan.unmet == []
    now = {one.replica.name: one.node_id for one in active(full)}
    assert {one["replica"]: one["node_id"] for one in plan.placements} == now
    assert "room of the one that it replaces" in plan.placements[0]["because"][0]
    deploy(changed)
    for _ in range(12):
        told(hive)
    assert states(full) == ["healthy"] * 3
    assert {one.agreement.image for one in active(full)} == {"hive/hello:2"}
    assert sum(one.agreement.price_per_hour_glm for one in active(full)) == plan.price_per_hour_glm


def test_it_promises_that_room_to_nobody_else(full: Deployment, team: Team, owner: User) -> None:
    other = FULL.replace("name: hello", "name: other")
    assert len(draw_up_plan(team=team, author=owner, source=other).unmet) == 3
    more = FULL.replace("hello:1", "hello:2").replace("replicas: 3", "replicas: 4")
    assert [one["replica"] for one in draw_up_plan(team=team, author=owner, source=more).unmet] == ["web-4"]


def test_it_does_not_send_a_successor_where_it_is_too_large(
    full: Deployment, team: Team, owner: User
) -> None:
    plan = draw_up_plan(team=team, author=owner, source=FULL.replace('cpus: "4"', 'cpus: "5"'))
    assert len(plan.unmet) == 3
    assert plan.unmet[0]["reason"] == "no bee offers 5 CPU threads: the largest has 4"


def test_it_looks_elsewhere_first(
    running: Deployment, team: Team, owner: User, make_node: Callable[..., Node]
) -> None:
    """While other room is free, nobody has to wait for the room of his predecessor."""
    plan = draw_up_plan(team=team, author=owner, source=COMPOSE.replace("hello:1", "hello:2"))
    assert plan.unmet == []
    assert not any("replaces" in " ".join(one["because"]) for one in plan.placements)
    assert plan.effect_then.rate_after_glm == plan.price_per_hour_glm == Decimal("0.0243")
