"""What a plan takes from the budget at once, what it costs from then on, and how long that lasts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.billing.ledger.posting import InsufficientFunds
from apps.billing.models import Budget
from apps.deployments.funding import shortage
from apps.deployments.models import Deployment
from apps.deployments.planning import draw_up_plan
from apps.deployments.plans.effect import Effect
from apps.deployments.plans.reckoning import effect_of
from apps.teams.models import Team, User
from tests.deployments.conftest import COMPOSE, Hive

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PER_HOUR = Decimal("0.000002") * 3600 + Decimal("0.000001") * 3600 / 4
START = Decimal("0.0001")


def test_it_tells_a_shortage_to_the_last_digit() -> None:
    error = InsufficientFunds(
        available=Decimal("12345678901234567890.012345678901234567"), needed=Decimal("1E+2")
    )
    told = shortage(Budget(team=Team(name="demo", slug="demo"), name="main"), error)
    assert "has 12345678901234567890.012345678901234567 GLM available, needs 100 GLM" in told


def test_it_lasts_until_the_funds_are_gone() -> None:
    effect = Effect(
        available_glm=Decimal(9),
        held_glm=Decimal(2),
        start_glm=Decimal(1),
        rate_after_glm=Decimal(5),
        at=NOON,
    )
    assert (effect.runway_h, effect.lasts_until) == (Decimal(2), NOON + timedelta(hours=2))


def test_it_names_no_date_when_nothing_is_spent_or_it_is_too_far_away() -> None:
    assert Effect(available_glm=Decimal(9), at=NOON).lasts_until is None
    ages = Effect(available_glm=Decimal(9), rate_after_glm=Decimal(1).scaleb(-18), at=NOON)
    assert ages.runway_h == Decimal(9).scaleb(18)
    assert ages.lasts_until is None


def test_it_comes_back_from_json_as_it_was() -> None:
    effect = Effect(available_glm=Decimal("9.000000000000000001"), rate_after_glm=Decimal(3), at=NOON)
    assert Effect.of_json(effect.as_json()) == effect
    assert Effect.of_json({}) == Effect()


@pytest.mark.django_db
def test_it_takes_first_leases_with_their_start_prices(
    hive: Hive, team: Team, owner: User, budget: Budget
) -> None:
    effect = draw_up_plan(team=team, author=owner, source=COMPOSE).effect_then
    assert effect.start_glm == 3 * START
    assert effect.first_leases_glm == 3 * (START + PER_HOUR / 4)  # a lease lasts a quarter of an hour
    assert (effect.rate_before_glm, effect.rate_after_glm) == (Decimal(0), 3 * PER_HOUR)
    assert effect.runway_h == (10 - 3 * START) / (3 * PER_HOUR)
    assert effect.is_affordable


def test_it_counts_what_runs_already(running: Deployment, team: Team, owner: User, budget: Budget) -> None:
    """Another deployment beside the three replicas of the first: the budget pays both."""
    plan = draw_up_plan(team=team, author=owner, source=COMPOSE.replace("name: hello", "name: other"))
    effect = effect_of(plan)
    assert (effect.rate_before_glm, effect.rate_after_glm) == (3 * PER_HOUR, 6 * PER_HOUR)
    assert effect.held_glm == budget.held_glm > 0
    assert effect.available_glm + effect.held_glm == 10


def test_it_takes_no_first_lease_of_what_stays(running: Deployment, team: Team, owner: User) -> None:
    plan = draw_up_plan(team=team, author=owner, source=COMPOSE.replace("replicas: 3", "replicas: 4"))
    assert [one["stays"] for one in plan.placements] == [True, True, True, False]
    assert plan.effect_then.first_leases_glm == START + PER_HOUR / 4
    assert (plan.effect_then.rate_before_glm, plan.effect_then.rate_after_glm) == (3 * PER_HOUR, 4 * PER_HOUR)


def test_what_stays_stays_where_it_is_at_its_agreed_price(
    running: Deployment, hive: Hive, team: Team, owner: User
) -> None:
    """Full nodes or dearer offers change nothing for a replica that is left alone."""
    for bee in hive.bees.values():
        bee.node.offers.update(cpu_second_glm=1)
    plan = draw_up_plan(team=team, author=owner, source=COMPOSE)
    agreed = {one.agreement.node_id for one in running.services.get().replicas.get(index=1).assignments.all()}
    assert {plan.placements[0]["node_id"]} == agreed
    assert plan.price_per_hour_glm == 3 * PER_HOUR
    assert all(one["agreement_id"] and one["because"] for one in plan.placements)


def test_it_says_whether_it_is_the_cap_that_ends_first() -> None:
    effect = Effect(available_glm=Decimal(9), rate_after_glm=Decimal(2), rate_own_glm=Decimal(1))
    assert not effect.cap_ends_first
    assert replace(effect, cap_left_glm=Decimal(1)).cap_ends_first
    assert replace(effect, cap_left_glm=Decimal(1)).runway_h == 1
    assert not replace(effect, cap_left_glm=Decimal(5)).cap_ends_first
