"""What a file asks of places is what its replicas get, through plan, demand, agreement and Bee."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.deployments.assignments import wanted_assignments
from apps.deployments.models import Deployment
from apps.market.filters.known import properties_of
from apps.market.filters.parse import parse
from apps.market.filters.tree import holds
from apps.market.models import Agreement, Demand
from apps.nodes.models import Node, Offer
from apps.teams.models import User
from tests.deployments.conftest import Hive, active, replicas

pytestmark = pytest.mark.django_db

Deploy = Callable[[str], Deployment]


@pytest.fixture
def bees(hive: Hive) -> list[str]:
    """Three: in Frankfurt, in Dublin, and one that only says so; the second one writes a lot to its disk."""
    first, second, third = list(hive.bees)
    Node.objects.filter(pk=first).update(region="eu-central")
    Node.objects.filter(pk=second).update(region="eu-west", storage_gib=100, gpus=2)
    Node.objects.filter(pk=third).update(region="eu-west", region_fault="answers from too far away")
    Offer.objects.filter(node=second).update(storage_gib=100, gpus=2, second_glm=Decimal("0.001"))
    for node_id, version in ((first, "1.9.0"), (second, "1.10.0"), (third, "1.10.0")):
        Offer.objects.filter(node=node_id).update(properties={"golem.runtime.version": version})
    return [first, second, third]


def compose(below: str = "", *, replicas: int = 1, more: str = "", **hive: str) -> str:
    wishes = "".join(f"      {name}: {value}\n" for name, value in hive.items())
    return (
        f"name: hello\nservices:\n  web:\n    image: hive/hello:1\n    deploy: {{replicas: {replicas}}}\n"
        f"{below}    x-hive:\n      runtime: process\n{wishes}{more}"
    )


def places(deployment: Deployment) -> dict[str, str]:
    return {one.replica.name: one.node_id for one in active(deployment)}


@pytest.mark.parametrize(
    ("wish", "bee"),
    [
        ({"region": "eu-west"}, 1),
        ({"region": "[eu-c*, us-*]"}, 0),
        ({"constraints": "(golem.inf.storage.gib>=100)"}, 1),
        ({"constraints": '"(&(golem.runtime.version$$v>=1.10)(hive.region=*))"'}, 1),
        ({"constraints": '"(!(hive.region=*))"'}, 2),
    ],
)
def test_it_runs_only_where_the_file_allows(
    hive: Hive, bees: list[str], deploy: Deploy, wish: dict[str, str], bee: int
) -> None:
    deployment = deploy(compose(**wish))
    hive.turn(2)
    assert places(deployment) == {"web-1": bees[bee]}
    agreement = Agreement.objects.get()
    assert holds(parse(agreement.demand.constraints), properties_of(agreement.offer))


def test_it_waits_for_a_place_that_will_do_and_says_so(hive: Hive, bees: list[str], deploy: Deploy) -> None:
    deployment = deploy(compose(constraints="(hive.owner=nobody)", max_price_per_hour='"9"'))
    hive.turn(2)
    assert places(deployment) == {}
    assert "constraints" in Demand.objects.get().reason


def test_it_rents_disk_and_gpus_and_tells_the_bee(hive: Hive, bees: list[str], deploy: Deploy) -> None:
    deployment = deploy(compose("    gpus: 1\n    storage_opt: {size: 60G}\n"))
    hive.turn(2)
    assert places(deployment) == {"web-1": bees[1]}
    node = Node.objects.get(pk=bees[1])
    assert (node.storage_gib_claimed, node.gpus_claimed) == (60, 1)
    terms = Agreement.objects.get().terms
    assert (terms.storage_gib, terms.gpus) == (60, 1)
    told = wanted_assignments([bees[1]])[bees[1]][0].workload
    assert (told.storage_gib, told.gpus) == (60, 1)


def test_it_keeps_owners_apart_where_that_is_required(
    hive: Hive, bees: list[str], deploy: Deploy, stranger: User
) -> None:
    Node.objects.filter(pk=bees[2]).update(owner=stranger)
    deployment = deploy(compose(replicas=3, spread="{by: owner, required: true}", max_price_per_hour='"9"'))
    hive.turn(3)
    found = set(places(deployment).values())
    assert len(found) == 2 and bees[2] in found
    waiting = [replica.reason for replica in replicas(deployment) if replica.state == "negotiating"]
    assert len(waiting) == 1 and "x-hive.spread is required" in waiting[0]


def test_it_puts_services_near_each_other(hive: Hive, bees: list[str], deploy: Deploy) -> None:
    """Where db is asked for is dearer than elsewhere: web goes there for db's sake alone."""
    db = "  db: {image: hive/db:1, x-hive: {runtime: process, constraints: (golem.inf.gpu.count>=2)}}\n"
    deployment = deploy(compose(affinity="{service: db, required: true}", more=db))
    hive.turn(2)
    assert places(deployment)["db-1"] == bees[1]
    Demand.objects.update(retry_at=timezone.now())  # web waits a second for db, if it came first
    hive.turn(2)
    assert places(deployment) == {"db-1": bees[1], "web-1": bees[1]}


def test_it_moves_when_the_file_no_longer_allows_the_place(
    hive: Hive, bees: list[str], deploy: Deploy
) -> None:
    deployment = deploy(compose(region="eu-central"))
    hive.turn(2)
    assert places(deployment) == {"web-1": bees[0]}
    deploy(compose(region="eu-west"))
    hive.turn(4)
    assert places(deployment) == {"web-1": bees[1]}
