"""Runway: how long a budget lasts at the rate of what runs now, in words for each case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.billing.budgets.holding import free_ended_holds, place_hold
from apps.billing.budgets.opening import open_budget
from apps.billing.budgets.runway import Runway, runway_of, runways_of
from apps.billing.models import Account
from apps.market.models import AgreementState

FRIDAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
AMOUNTS = st.decimals(0, 10**9, places=18)


def runway(money: str, per_hour: str) -> Runway:
    return Runway(money_glm=Decimal(money), per_hour_glm=Decimal(per_hour), at=FRIDAY)


@pytest.mark.parametrize(
    "money, per_hour, words",
    [
        ("10", "0", "nothing is spent now"),
        ("0", "0", "nothing is spent now"),
        ("0", "1", "used up"),
        ("-2", "1", "used up"),
        ("98", "1", "lasts until Tuesday 14:00 UTC at today's rate"),
        ("143.99", "1", "lasts until Thursday 11:59 UTC at today's rate"),
        ("144", "1", "lasts until 26 Nov 2026, 12:00 UTC at today's rate"),
        ("8760", "1", "lasts until 20 Nov 2027, 12:00 UTC at today's rate"),
        ("8760.1", "1", "lasts more than a year at today's rate"),
        ("9999999999", "0.000000000000000001", "lasts more than a year at today's rate"),
    ],
)
def test_it_says_until_when(money: str, per_hour: str, words: str) -> None:
    assert runway(money, per_hour).in_words == words


@given(AMOUNTS, AMOUNTS)
def test_it_never_promises_more_than_there_is(money: Decimal, per_hour: Decimal) -> None:
    found = Runway(money_glm=money, per_hour_glm=per_hour, at=FRIDAY)
    assert found.in_words
    if found.until is not None:
        hours = Decimal((found.until - FRIDAY).total_seconds()) / 3600
        assert hours * per_hour <= money + per_hour * Decimal("0.000001") + Decimal("0.00001")
    else:
        assert not per_hour or money > per_hour * 8759


@pytest.mark.django_db
class TestInTheBooks:
    def test_it_counts_what_is_held_and_the_rate_of_all_holds(self, budget, now):
        for number, rate in enumerate(["0.5", "0.75"]):
            place_hold(
                budget=budget,
                reference=f"replica:{number}",
                amount_glm=Decimal(1),
                until=now + timedelta(hours=1),
                per_hour_glm=Decimal(rate),
            )
        found = runway_of(budget.pk)
        assert (found.money_glm, found.per_hour_glm, found.lasts_s) == (10, Decimal("1.25"), 8 * 3600)

    def test_it_counts_a_credit_limit(self, budget, team):
        Account.objects.filter(pk=budget.available_id).update(credit_limit_glm=5)
        assert runway_of(budget.pk).money_glm == 15

    def test_what_is_over_costs_nothing_any_more(self, budget, hold, agreement, now):
        """Though its hold waits for the last usage."""
        type(hold).objects.update(per_hour_glm=Decimal(2))
        assert runway_of(budget.pk).per_hour_glm == 2
        type(agreement).objects.update(state=AgreementState.TERMINATED, ended_at=now)
        free_ended_holds()
        hold.refresh_from_db()
        assert (hold.state, runway_of(budget.pk).per_hour_glm) == ("held", 0)

    def test_it_reads_many_in_one_query(self, team, budget, django_assert_num_queries):
        many = [budget, *(open_budget(team, f"b{number}") for number in range(20))]
        with django_assert_num_queries(1):
            found = runways_of([each.pk for each in many])
        assert len(found) == 21
        assert {each.in_words for each in found.values()} == {"nothing is spent now"}
