"""Four workers race for the room of a few nodes, and are killed in the midst of it."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from agent.protocol import Price
from apps.market.models import IN_FORCE, Agreement, AgreementState, Demand, DemandState, Proposal
from apps.market.needs import Need
from apps.market.negotiating.demands import open_demand
from apps.nodes.models import Node, Offer
from apps.teams.models import Team
from tests.market import racing

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 4
DEMANDS = 20
"""Opened at once, and again after each kill."""
KILLS = 12
ASKED = Price(second_glm=Decimal("0.000002"))


@pytest.fixture
def crowd(team: Team, make_node: Callable[..., Node], make_offer: Callable[..., Offer]) -> Callable[[], None]:
    """Three nodes; what it returns opens more demands than they have room for. A third has to bargain."""
    for _ in range(3):
        node = make_node(storage_gib=Decimal(20), gpus=2)
        make_offer(node, price=ASKED, storage_gib=Decimal(20), gpus=2)
    dice, numbers = random.Random(7), itertools.count()

    def come() -> None:
        for number in itertools.islice(numbers, DEMANDS):
            _asked(team, number, dice)

    return come


def _asked(team: Team, number: int, dice: random.Random) -> Demand:
    threads = Decimal(dice.choice(("0.5", "1", "1.5")))
    limit = ASKED.per_hour_glm(threads) * Decimal("0.8") if number % 3 == 0 else None
    need = Need(
        runtimes=["process"],
        cpu_threads=threads,
        mem_gib=Decimal(dice.choice(("0.5", "2"))),
        storage_gib=Decimal(dice.choice(("0", "4"))),
        gpus=dice.choice((0, 0, 1)),
        max_price_per_hour_glm=limit,
        group=f"service:{number % 5}",
    )
    return open_demand(
        team=team,
        reference=f"race:{number}",
        image="hive/hello:1",
        need=need,
        give_up_at=timezone.now() + timedelta(hours=1),
    )


def test_capacity_is_never_sold_twice_whoever_is_killed(crowd: Callable[[], None]) -> None:
    crowd()
    with racing.workers(WORKERS) as team:
        dice = random.Random(11)
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.05, 0.3))  # no race is hidden by it: it only chooses the moment
            assert racing.faults() == []
            team.kill_one()
            assert racing.faults() == []
            team.start()
            crowd()
    assert team.killed == KILLS + WORKERS
    assert racing.faults() == []

    racing.settle()

    assert racing.faults() == []
    assert Agreement.objects.filter(approved_at__isnull=False).count() > 1
    assert Agreement.objects.exclude(state__in=IN_FORCE).exists()
    assert Proposal.objects.exists(), "nobody bargained"


def test_nothing_stays_taken_when_all_is_ended(crowd: Callable[[], None]) -> None:
    crowd()
    with racing.workers(WORKERS) as team:
        dice = random.Random(12)
        for _ in range(3):
            time.sleep(dice.uniform(0.1, 0.3))
            team.kill_one()
            team.start()
    crowd()  # a quick team has ended all that it agreed on
    racing.settle()
    assert Agreement.objects.filter(state=AgreementState.APPROVED).exists(), "nothing was taken"
    assert Node.objects.filter(cpu_threads_claimed__gt=0).exists()
    for demand in Demand.objects.exclude(state__in=[DemandState.AGREED]):
        racing.cancel(demand, actor=racing.TESTER, reason="the end")
    while Agreement.objects.filter(state=AgreementState.APPROVED).exists():
        racing.end_some()

    for node in Node.objects.all():
        claimed = (
            node.cpu_threads_claimed,
            node.mem_gib_claimed,
            node.storage_gib_claimed,
            node.gpus_claimed,
        )
        assert claimed == (0, 0, 0, 0)
