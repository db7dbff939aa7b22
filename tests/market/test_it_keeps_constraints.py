"""What is asked of offers holds for each one agreed on: by the evaluator, not by the SQL that chose."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from itertools import count

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.protocol import Price
from apps.market.filters.known import properties_of
from apps.market.filters.parse import parse
from apps.market.filters.tree import holds
from apps.market.models import Agreement, Demand, DemandState, Spread, Strategy
from apps.market.needs import Need
from apps.market.negotiating.demands import open_demand
from apps.market.negotiating.negotiation import negotiate_due
from apps.nodes.models import Node, Offer
from apps.teams.models import Team
from tests.cast import key_of_bee

pytestmark = pytest.mark.django_db

NUMBERS = count()
REGIONS = ("eu-west", "eu-north", "us-east", "")


@dataclass(frozen=True)
class Machine:
    threads: int
    region: str
    fault: str
    brand: str
    version: str
    price: int


@dataclass(frozen=True)
class Wish:
    threads: int
    constraints: str
    regions: tuple[str, ...]
    spread: str
    strategy: str
    limit: int | None


MACHINES = st.builds(
    Machine,
    threads=st.integers(1, 4),
    region=st.sampled_from(REGIONS),
    fault=st.sampled_from(["", "", "", "it answers too fast to be there"]),
    brand=st.sampled_from(["AMD EPYC", "Intel Xeon", "Neoverse"]),
    version=st.sampled_from(["0.9", "1.2.3", "1.10"]),
    price=st.integers(0, 5),
)
PARTS = st.sampled_from(
    [
        "(golem.inf.cpu.threads>=2)",
        "(golem.inf.cpu.brand=*EPYC*)",
        "(golem.inf.cpu.brand=Intel*)",
        "(golem.runtime.version$v>=1.2)",
        "(hive.region=eu-*)",
        "(hive.region=*)",
        "(golem.runtime.name=process)",
        "(hive.price.second<=0.000003)",
        "(hive.nothing.like.it=1)",
    ]
)
FILTERS = st.recursive(
    PARTS,
    lambda inner: st.one_of(
        inner.map(lambda one: f"(!{one})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"(&{''.join(parts)})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"(|{''.join(parts)})"),
    ),
    max_leaves=5,
)
WISHES = st.builds(
    Wish,
    threads=st.integers(1, 3),
    constraints=st.one_of(st.just(""), FILTERS),
    regions=st.sampled_from([(), (), ("eu-*",), ("us-*", "eu-north")]),
    spread=st.sampled_from(Spread.values),
    strategy=st.sampled_from(Strategy.values),
    limit=st.sampled_from([None, None, 2, 4]),
)


@given(machines=st.lists(MACHINES, min_size=1, max_size=6), wishes=st.lists(WISHES, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_demands_constraints_hold_for_each_of_its_agreements(
    machines: list[Machine],
    wishes: list[Wish],
    make_node: Callable[..., Node],
    make_offer: Callable,
    team: Team,
) -> None:
    with rolled_back():
        for number, machine in enumerate(machines, start=1):
            _offered(machine, make_node(key_of_bee(number), **_place(machine)), make_offer)
        for wish in wishes:
            _asked(team, wish)
        while negotiate_due():  # one whose group moved meanwhile is decided on again at once
            pass

        offers = list(Offer.objects.select_related("node__owner"))
        for agreement in Agreement.objects.select_related("demand", "offer__node__owner"):
            assert _meets(agreement.offer, agreement.demand)
            limit = agreement.demand.max_price_per_hour_glm
            assert limit is None or agreement.price_per_hour_glm <= limit
            assert agreement.because, "an agreement says why"
        for demand in Demand.objects.filter(state=DemandState.OPEN).exclude(
            reason__startswith="others bargain"
        ):
            assert not any(_meets(offer, demand) and _has_room(offer.node, demand) for offer in offers)


def _meets(offer: Offer, demand: Demand) -> bool:
    """All but price and room, reckoned without the book and without SQL."""
    region = "" if offer.node.region_fault else offer.node.region
    return (
        (not demand.constraints or holds(parse(demand.constraints), properties_of(offer)))
        and (not demand.regions or any(region and fnmatchcase(region, one) for one in demand.regions))
        and demand.cpu_threads <= offer.cpu_threads
    )


def _has_room(node: Node, demand: Demand) -> bool:
    return (
        node.cpu_threads - node.cpu_threads_claimed >= demand.cpu_threads
        and node.mem_gib - node.mem_gib_claimed >= demand.mem_gib
    )


def _place(machine: Machine) -> dict[str, object]:
    return {
        "cpu_threads": Decimal(machine.threads),
        "region": machine.region,
        "region_fault": machine.fault,
    }


def _offered(machine: Machine, node: Node, make_offer: Callable[..., Offer]) -> Offer:
    return make_offer(
        node,
        price=Price(second_glm=Decimal(machine.price).scaleb(-6)),
        properties={"golem.inf.cpu.brand": machine.brand, "golem.runtime.version": machine.version},
    )


def _asked(team: Team, wish: Wish) -> Demand:
    need = Need(
        runtimes=["process"],
        cpu_threads=Decimal(wish.threads),
        mem_gib=Decimal(1),
        constraints=wish.constraints,
        regions=wish.regions,
        spread=wish.spread,
        strategy=wish.strategy,
        group="service:web",
        max_price_per_hour_glm=None if wish.limit is None else Decimal(wish.limit).scaleb(-6) * 3600,
    )
    return open_demand(
        team=team,
        reference=f"wish:{next(NUMBERS)}:{uuid.uuid4()}",
        image="hive/hello:1",
        need=need,
        give_up_at=timezone.now() + timedelta(minutes=10),
    )


@contextmanager
def rolled_back() -> Iterator[None]:
    """Hypothesis tries many markets within one test: each begins with empty tables."""
    with transaction.atomic():
        try:
            yield
        finally:
            transaction.set_rollback(True)
