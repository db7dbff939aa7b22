"""A plan's price is the price of the agreements if it is applied at once, whatever the book and the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agent.protocol import Price
from apps.billing.models import Budget
from apps.deployments.applying import apply_plan
from apps.deployments.planning import draw_up_plan
from apps.money import round_glm
from apps.nodes import presence
from apps.nodes.models import Node, Offer
from apps.teams.models import Team, User
from tests.cast import key_of_bee
from tests.deployments.conftest import TESTER, Bee, Hive, active

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Machine:
    """A Bee for rent. Prices in 10^-18 GLM."""

    threads: int
    gib: int
    start: int
    cpu_second: int
    second: int

    @property
    def price(self) -> Price:
        start, cpu_second, second = (
            Decimal(amount).scaleb(-18) for amount in (self.start, self.cpu_second, self.second)
        )
        return Price(start_glm=start, cpu_second_glm=cpu_second, second_glm=second)


@dataclass(frozen=True)
class Wish:
    """A service of the file."""

    replicas: int
    cpus: str
    strategy: str
    spread: str
    limit: str | None

    def __str__(self) -> str:
        limit = f", max_price_per_hour: {self.limit}" if self.limit else ""
        return f"""
    image: hive/hello:1
    deploy: {{replicas: {self.replicas}, resources: {{limits: {{cpus: "{self.cpus}", memory: 256M}}}}}}
    x-hive: {{runtime: [process], strategy: {self.strategy}, spread: {self.spread}{limit}}}
"""


AMOUNTS = st.integers(0, 10**13)
MACHINES = st.builds(
    Machine,
    threads=st.integers(1, 4),
    gib=st.integers(1, 4),
    start=AMOUNTS,
    cpu_second=AMOUNTS,
    second=AMOUNTS,
)
WISHES = st.builds(
    Wish,
    replicas=st.integers(1, 4),
    cpus=st.sampled_from(["0.25", "0.333", "1", "1.5", "3"]),
    strategy=st.sampled_from(["cheapest", "best_value", "spread", "nearest"]),
    spread=st.sampled_from(["node", "owner"]),
    limit=st.sampled_from([None, None, "0.01", "0.03"]),
)


@pytest.fixture
def open_for(
    make_node: Callable[..., Node], make_offer: Callable[..., Offer]
) -> Callable[[Sequence[Machine]], Hive]:
    numbers = count(1)

    def opened(machines: Sequence[Machine]) -> Hive:
        hive = Hive()
        for machine in machines:
            key = key_of_bee(next(numbers))
            node = make_node(key, cpu_threads=Decimal(machine.threads), mem_gib=Decimal(machine.gib))
            make_offer(node, price=machine.price)
            presence.link_opened(node_id=node.id, channel=f"link {node.id}", peer="127.0.0.1")
            hive.bees[node.id] = Bee(node, key)
        return hive

    return opened


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(machines=st.lists(MACHINES, min_size=1, max_size=5), wishes=st.lists(WISHES, min_size=1, max_size=3))
def test_what_was_planned_is_agreed_at_the_same_price(
    machines: list[Machine],
    wishes: list[Wish],
    open_for: Callable[[Sequence[Machine]], Hive],
    budget: Budget,
    team: Team,
    owner: User,
    fund: Callable[..., None],
) -> None:
    source = "name: hello\nservices:\n" + "".join(f"  s{number}:{wish}" for number, wish in enumerate(wishes))
    with transaction.atomic():
        hive = open_for(machines)
        fund(budget, "100000")
        plan = draw_up_plan(team=team, author=owner, source=source)
        deployment = apply_plan(plan, actor=TESTER)
        hive.turn(2)
        planned = {
            one["replica"]: (one["offer_id"], Decimal(one["price_per_hour_glm"]))
            for one in plan.placements
            if one["node_id"]
        }
        agreed = {
            one.replica.name: (str(one.agreement.offer_id), one.agreement.price_per_hour_glm)
            for one in active(deployment)
        }
        transaction.set_rollback(True)
    assert agreed == planned
    assert plan.price_per_hour_glm == round_glm(sum((price for _, price in agreed.values()), Decimal(0)))
