"""What was planned is what is agreed, if it is applied at once; where it can't be, the market has its say."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.billing.models import Hold
from apps.deployments.applying import apply_plan, scale
from apps.deployments.models import Deployment, Plan, Replica
from apps.deployments.planning import draw_up_plan
from apps.market.models import Agreement, Demand
from apps.nodes.models import Offer, OfferState
from apps.teams.audit import Actor
from apps.teams.models import Team, User
from tests.deployments.conftest import COMPOSE, TESTER, Hive, active, replicas

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan(hive: Hive, team: Team, owner: User) -> Plan:
    """Of `COMPOSE`: three replicas, one for each of three Bees."""
    return draw_up_plan(team=team, author=owner, source=COMPOSE)


def dearer(offer: Offer) -> Decimal:
    """Make it the dearest of all: nobody would choose it who has the choice."""
    Offer.objects.filter(pk=offer.pk).update(second_glm=offer.second_glm * 3)
    return Offer.objects.get(pk=offer.pk).price_per_hour_glm(Decimal("0.25"))


def test_it_goes_where_the_plan_said_at_the_price_of_the_plan(hive: Hive, plan: Plan) -> None:
    deployment = apply_plan(plan, actor=TESTER)
    hive.turn(2)
    agreed = {one.replica.name: (one.node_id, str(one.agreement.offer_id)) for one in active(deployment)}
    planned = {one["replica"]: (one["node_id"], one["offer_id"]) for one in plan.placements}
    assert agreed == planned
    assert sum(one.price_per_hour_glm for one in Agreement.objects.all()) == plan.price_per_hour_glm


def test_it_goes_there_though_another_has_become_cheaper(hive: Hive, plan: Plan) -> None:
    web = plan.placements[0]
    cheaper = Offer.objects.exclude(pk=web["offer_id"]).first()
    assert cheaper is not None
    deployment = apply_plan(plan, actor=TESTER)
    Offer.objects.filter(pk=cheaper.pk).update(second_glm=0, cpu_second_glm=0)
    hive.turn(2)
    found = {one.replica.name: one.node_id for one in active(deployment)}
    assert found["web-1"] == web["node_id"]


def test_it_holds_the_planned_price(hive: Hive, plan: Plan) -> None:
    apply_plan(plan, actor=TESTER)
    hive.look()
    hours = Decimal(900) / 3600
    expected = sorted(Decimal(one["price_per_hour_glm"]) * hours for one in plan.placements)
    assert sorted(hold.amount for hold in Hold.objects.all()) == expected


def test_it_asks_the_market_when_the_planned_offer_is_gone(hive: Hive, plan: Plan) -> None:
    web = plan.placements[0]
    offer = Offer.objects.get(pk=web["offer_id"])
    deployment = apply_plan(plan, actor=TESTER)
    offer.move_to(OfferState.WITHDRAWN, actor=Actor.node(offer.node_id), reason="taken back")
    hive.turn(3)
    found = {one.replica.name: one.node_id for one in active(deployment)}
    assert len(found) == 3
    assert web["node_id"] not in found.values()


def renewed(offer: Offer, **changes: Any) -> Offer:
    """As a Bee does it each half hour: the old one goes, another takes its place."""
    offer.move_to(OfferState.WITHDRAWN, actor=Actor.node(offer.node_id), reason="left out of the newest set")
    heir = Offer.objects.get(pk=offer.pk)
    heir.pk, heir.state, heir._state.adding = uuid4(), OfferState.LIVE, True
    heir.deadline_at = timezone.now() + timedelta(hours=1)
    for name, value in changes.items():
        setattr(heir, name, value)
    heir.save()
    return heir


def test_it_follows_an_offer_that_was_renewed_at_the_same_price(hive: Hive, plan: Plan) -> None:
    web = plan.placements[0]
    heir = renewed(Offer.objects.get(pk=web["offer_id"]))
    deployment = apply_plan(plan, actor=TESTER)
    assert replicas(deployment)[0].planned_offer_id == heir.pk
    hive.turn(2)
    agreed = {one.replica.name: one.agreement for one in active(deployment)}
    assert agreed["web-1"].offer_id == heir.pk
    assert agreed["web-1"].price_per_hour_glm == Decimal(web["price_per_hour_glm"])


def test_it_does_not_follow_one_that_became_dearer(hive: Hive, plan: Plan) -> None:
    offer = Offer.objects.get(pk=plan.placements[0]["offer_id"])
    renewed(offer, second_glm=offer.second_glm * 3)
    deployment = apply_plan(plan, actor=TESTER)
    assert replicas(deployment)[0].planned_offer_id is None


def test_it_asks_the_market_for_later_generations(hive: Hive, plan: Plan) -> None:
    deployment = apply_plan(plan, actor=TESTER)
    hive.turn(2)
    hive.lose(plan.placements[0]["node_id"])
    hive.turn(3)
    again = Demand.objects.get(reference=f"replica:{replicas(deployment)[0].pk}:2")
    assert again.planned_offer_id is None
    assert all(replica.planned_offer_id is None for replica in replicas(deployment))


def test_it_asks_the_market_for_what_was_not_planned(hive: Hive, plan: Plan) -> None:
    deployment = apply_plan(plan, actor=TESTER)
    hive.turn(2)
    scale(deployment.services.get(), 4, actor=TESTER)
    hive.turn(2)
    assert (
        Demand.objects.get(reference__startswith=f"replica:{replicas(deployment)[3].pk}:").planned_offer
        is None
    )


def test_it_does_not_remember_a_place_for_what_stays(
    hive: Hive, running: Deployment, team: Team, owner: User
) -> None:
    plan = draw_up_plan(team=team, author=owner, source=COMPOSE.replace("replicas: 3", "replicas: 4"))
    apply_plan(plan, actor=TESTER)
    planned = {replica.name: replica.planned_offer_id for replica in replicas(running)}
    assert [name for name, offer in planned.items() if offer] == ["web-4"]


def test_it_waits_for_no_plan_when_free_of_charge(hive: Hive, deploy: Callable[..., Deployment]) -> None:
    """A free offer is one: nought is a price, planned or quoted."""
    Offer.objects.update(start_glm=0, second_glm=0, cpu_second_glm=0)
    deployment = deploy()
    Replica.objects.update(planned_offer=None, retry_at=timezone.now())
    hive.turn(2)
    assert len(active(deployment)) == 3


def relist(factor: Decimal) -> None:
    """Every Bee takes its offer back and makes another at so many times the price."""
    for offer in list(Offer.objects.all()):
        Offer.objects.filter(pk=offer.pk).update(state=OfferState.WITHDRAWN, deadline_at=None)
        offer.pk, offer.second_glm = uuid4(), offer.second_glm * factor
        offer.cpu_second_glm *= factor
        offer.save(force_insert=True)


def test_it_waits_rather_than_pay_much_more_than_the_plan_said(hive: Hive, plan: Plan) -> None:
    relist(Decimal(2))
    deployment = apply_plan(plan, actor=TESTER)
    hive.turn(2)
    assert active(deployment) == [] and not Agreement.objects.exists()
    assert all("above the limit of 0.00891 GLM/h" in one.reason for one in replicas(deployment))
    assert not Hold.objects.exists(), "nothing is held while nobody asks so little"


def test_it_takes_what_is_little_dearer_than_the_plan_said(hive: Hive, plan: Plan) -> None:
    relist(Decimal("1.05"))
    deployment = apply_plan(plan, actor=TESTER)
    hive.turn(2)
    assert len(active(deployment)) == len(plan.placements)
