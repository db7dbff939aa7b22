"""A plan's price is the price of the agreements if it is applied at once, whatever the book and the file.

New files draw every wish but `required` affinity. A file that changes what runs draws no wish that is
`required`: such replicas move one after the other, and where the next may go depends on who has moved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from agent.protocol import Price
from apps.billing.models import Budget
from apps.deployments.applying import apply_plan
from apps.deployments.models import Deployment, Plan
from apps.deployments.planning import draw_up_plan
from apps.market.models import Demand
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
    region: str = ""
    is_ours: bool = True
    """Its owner is the one who deploys."""

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
    region: str = ""
    constraints: str = ""
    required: bool = False
    near: str = ""
    """By what it wants to be beside the first service."""

    def told(self, number: int, image: str = "hive/hello:1") -> str:
        said = {
            "max_price_per_hour": self.limit,
            "region": self.region and f'"{self.region}"',
            "constraints": self.constraints and f'"{self.constraints}"',
            "affinity": self.near
            and number
            and f"{{service: s0, by: {self.near}, required: {self._required}}}",
        }
        more = "".join(f", {key}: {value}" for key, value in said.items() if value)
        spread = f"{{by: {self.spread}, required: {self._required}}}"
        return f"""  s{number}:
    image: {image}
    deploy: {{replicas: {self.replicas}, resources: {{limits: {{cpus: "{self.cpus}", memory: 256M}}}}}}
    x-hive: {{runtime: [process], strategy: {self.strategy}, spread: {spread}{more}}}
"""

    @property
    def _required(self) -> str:
        return str(self.required).lower()


AMOUNTS = st.integers(0, 10**13)
MACHINES = st.builds(
    Machine,
    threads=st.integers(1, 4),
    gib=st.integers(1, 4),
    start=AMOUNTS,
    cpu_second=AMOUNTS,
    second=AMOUNTS,
    region=st.sampled_from(["", "eu-west", "us-east"]),
    is_ours=st.booleans(),
)
ROOMY = Machine(threads=4, gib=4, start=0, cpu_second=10**11, second=10**11, region="eu-west")
"""Always in the book, so that somebody finds a place."""
WISHES = st.builds(
    Wish,
    replicas=st.integers(1, 4),
    cpus=st.sampled_from(["0.25", "0.333", "1", "1.5", "3"]),
    strategy=st.sampled_from(["cheapest", "best_value", "spread", "nearest"]),
    spread=st.sampled_from(["node", "owner", "region"]),
    limit=st.sampled_from([None, None, "0.01", "0.03"]),
    region=st.sampled_from(["", "", "eu-*", "us-east"]),
    constraints=st.sampled_from(["", "", "(hive.region=eu-*)", "(!(hive.region=us-*))"]),
    required=st.booleans(),
    near=st.sampled_from(["", "node", "owner", "region"]),
)
MODEST = Wish(replicas=1, cpus="0.25", strategy="cheapest", spread="node", limit=None)


@pytest.fixture
def open_for(
    make_node: Callable[..., Node], make_offer: Callable[..., Offer], owner: User, stranger: User
) -> Callable[[Sequence[Machine]], Hive]:
    numbers = count(1)

    def opened(machines: Sequence[Machine]) -> Hive:
        hive = Hive()
        for machine in machines:
            key = key_of_bee(next(numbers))
            node = make_node(
                key,
                cpu_threads=Decimal(machine.threads),
                mem_gib=Decimal(machine.gib),
                region=machine.region,
                owner=owner if machine.is_ours else stranger,
            )
            make_offer(node, price=machine.price)
            presence.link_opened(node_id=node.id, channel=f"link {node.id}", peer="127.0.0.1")
            hive.bees[node.id] = Bee(node, key)
        return hive

    return opened


BOUNDED = settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
Agreed = dict[str, tuple[str, Decimal]]
"""Offer and GLM an hour of each replica that has a place."""


def file(wishes: Sequence[Wish], image: str = "hive/hello:1") -> str:
    services = "".join(wish.told(number, image) for number, wish in enumerate(wishes))
    return f"name: hello\nservices:\n{services}"


def planned(plan: Plan) -> Agreed:
    return {
        one["replica"]: (one["offer_id"], Decimal(one["price_per_hour_glm"]))
        for one in plan.placements
        if one["node_id"]
    }


def agreed(deployment: Deployment) -> Agreed:
    return {
        one.replica.name: (str(one.agreement.offer_id), one.agreement.price_per_hour_glm)
        for one in active(deployment)
    }


def by_service(found: Agreed) -> list[tuple[str, str, Decimal]]:
    """Which of two siblings gets the one place is not promised where both had to wait for others."""
    return sorted((replica.rpartition("-")[0], *place) for replica, place in found.items())


def settle(hive: Hive) -> None:
    """Who must be beside others asks again when they are there."""
    hive.turn()
    Demand.objects.update(retry_at=timezone.now())
    hive.turn()


def patient(wish: Wish) -> Wish:
    """Who must be beside others waits for them, and whom the plan found no place for may be quicker."""
    return replace(wish, required=wish.required and not wish.near)


DEAR_TO_BEGIN = Machine(threads=3, gib=2, start=19_200_401, cpu_second=6991, second=1155)
"""More than an hour costs, less than a day: allowed where the file has no limit, and by the plan as well."""


@BOUNDED
@given(machines=st.lists(MACHINES, max_size=4), wishes=st.lists(WISHES.map(patient), max_size=2))
@example(machines=[DEAR_TO_BEGIN], wishes=[])
def test_what_was_planned_is_agreed_at_the_same_price(
    machines: list[Machine],
    wishes: list[Wish],
    open_for: Callable[[Sequence[Machine]], Hive],
    budget: Budget,
    team: Team,
    owner: User,
    fund: Callable[..., None],
) -> None:
    with transaction.atomic():
        hive = open_for([*machines, ROOMY])
        fund(budget, "100000")
        plan = draw_up_plan(team=team, author=owner, source=file([MODEST, *wishes]))
        found = apply_plan(plan, actor=TESTER)
        settle(hive)
        now = agreed(found)
        transaction.set_rollback(True)
    assert now == planned(plan)
    assert now, "the roomy machine serves somebody"
    assert plan.price_per_hour_glm == round_glm(sum((price for _, price in now.values()), Decimal(0)))


@settings(BOUNDED, max_examples=3)
@given(
    machines=st.lists(MACHINES, max_size=3),
    wish=WISHES.map(lambda wish: replace(wish, replicas=min(wish.replicas, 2), required=False)),
    more=st.integers(0, 1),
    image=st.sampled_from(["hive/hello:1", "hive/hello:2"]),
)
def test_what_was_planned_for_a_running_file_is_agreed_at_the_same_price(
    machines: list[Machine],
    wish: Wish,
    more: int,
    image: str,
    open_for: Callable[[Sequence[Machine]], Hive],
    budget: Budget,
    team: Team,
    owner: User,
    fund: Callable[..., None],
) -> None:
    before = file([MODEST, wish])
    after = file([MODEST, replace(wish, replicas=wish.replicas + more)], image)
    with transaction.atomic():
        hive = open_for([*machines, ROOMY])
        fund(budget, "100000")
        apply_plan(draw_up_plan(team=team, author=owner, source=before), actor=TESTER)
        settle(hive)
        plan = draw_up_plan(team=team, author=owner, source=after)
        changed = apply_plan(plan, actor=TESTER)
        for _ in range(4):
            settle(hive)
            if (now := agreed(changed)) == planned(plan):
                break
        transaction.set_rollback(True)
    # Which of two siblings gets the one place is not promised while they move one after the other.
    assert by_service(now) == by_service(planned(plan))
    assert now
