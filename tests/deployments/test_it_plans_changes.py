"""A plan for what runs already: what stays, what is replaced, in whose room and beside whom."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.deployments.applying import scale
from apps.deployments.models import Deployment
from apps.deployments.planning import draw_up_plan
from apps.deployments.spread import Quoting, need_for
from apps.market.models import Demand
from apps.nodes.models import Node, Offer, Scheduling
from apps.teams.models import Team, User
from tests.deployments.conftest import COMPOSE, TESTER, Hive, active, replicas, states
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


@pytest.fixture
def two_owners(full: Deployment, stranger: User) -> str:
    """The replica on the stranger's Bee, the third; the other two Bees are of one owner. All are full."""
    one = active(full)[2]
    Node.objects.filter(pk=one.node_id).update(owner=stranger)
    return one.replica.name


def test_it_promises_nobody_room_beside_a_sibling_that_it_must_not_share_with(
    full: Deployment, two_owners: str, hive: Hive, team: Team, owner: User, deploy: Callable[..., Deployment]
) -> None:
    """Each is let go while the others are still where they were: what was promised must hold even then."""
    apart = "runtime: [process], spread: {by: owner, required: true}"
    changed = FULL.replace("hello:1", "hello:2").replace("runtime: [process]", apart)
    plan = draw_up_plan(team=team, author=owner, source=changed)
    promised = {one["replica"]: one["node_id"] for one in plan.placements if one["node_id"]}
    assert list(promised) == [two_owners]
    deploy(changed)
    for _ in range(6):
        told(hive)
        Demand.objects.update(retry_at=timezone.now())  # who found no room yet looks again
    moved = {one.replica.name: one.node_id for one in active(full) if one.agreement.image == "hive/hello:2"}
    assert moved == promised


PAIR = """
name: pair
services:
  app:
    image: hive/hello:1
    deploy: {resources: {limits: {cpus: "2", memory: 256M}}}
    x-hive: {runtime: [process], affinity: {service: db, required: true}}
  db:
    image: hive/hello:1
    deploy: {resources: {limits: {cpus: "2", memory: 256M}}}
    x-hive: {runtime: [process]}
"""


def test_it_lets_a_successor_follow_the_one_beside_whom_it_has_to_be(
    hive: Hive, team: Team, owner: User, deploy: Callable[..., Deployment]
) -> None:
    Node.objects.exclude(pk=min(hive.bees)).update(scheduling=Scheduling.CORDONED)
    pair = deploy(PAIR)
    hive.turn(2)
    Demand.objects.update(retry_at=timezone.now())  # app has waited for db
    hive.turn(2)
    assert states(pair) == ["healthy"] * 2
    plan = draw_up_plan(team=team, author=owner, source=PAIR.replace("hello:1", "hello:2"))
    assert [one["node_id"] for one in plan.placements] == [min(hive.bees)] * 2
    deploy(PAIR.replace("hello:1", "hello:2"))
    for _ in range(6):
        told(hive)
        Demand.objects.update(retry_at=timezone.now())  # who found no room yet looks again
    assert {one.agreement.image for one in active(pair)} == {"hive/hello:2"}
    assert sum(one.agreement.price_per_hour_glm for one in active(pair)) == plan.price_per_hour_glm


def test_it_looks_elsewhere_first(
    running: Deployment, team: Team, owner: User, make_node: Callable[..., Node]
) -> None:
    """While other room is free, nobody has to wait for the room of his predecessor."""
    plan = draw_up_plan(team=team, author=owner, source=COMPOSE.replace("hello:1", "hello:2"))
    assert plan.unmet == []
    assert not any("replaces" in " ".join(one["because"]) for one in plan.placements)
    assert plan.effect_then.rate_after_glm == plan.price_per_hour_glm == Decimal("0.0243")


def test_it_counts_siblings_as_the_market_does(
    hive: Hive, team: Team, owner: User, deploy: Callable[..., Deployment]
) -> None:
    """Two stay on the cheap Bee and one on the dear: the next one goes to the dear."""
    cheap, dear, third = sorted(hive.bees)
    Node.objects.filter(pk=third).update(scheduling=Scheduling.CORDONED)
    Offer.objects.filter(node=cheap).update(second_glm=0)
    deployment = deploy()
    hive.turn(2)
    assert sorted(one.node_id for one in active(deployment)) == [cheap, cheap, dear]
    plan = draw_up_plan(team=team, author=owner, source=COMPOSE.replace("replicas: 3", "replicas: 4"))
    scale(deployment.services.get(), 4, actor=TESTER)  # unlike an applied plan, it names no offer
    fourth = replicas(deployment)[3]
    quoted = Quoting().quote_for(fourth, need_for(fourth))
    hive.turn(2)
    agreed = active(deployment)[3]
    assert [plan.placements[3]["node_id"], quoted.node_id, agreed.node_id] == [dear] * 3
