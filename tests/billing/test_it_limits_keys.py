"""What is held under an application key never passes its limits, whoever else takes of it at the time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from apps.billing.budgets.holding import extend_hold, place_hold, release_hold
from apps.billing.budgets.key_limits import KeyExhausted, KeySpend, spend_of, spends_of, why_beyond
from apps.billing.models import Budget, Hold, UsageRecord
from apps.market.models import Agreement, KeyPolicy
from apps.teams.audit import Actor
from apps.teams.models import ApiToken, Team, User
from tests.cast import posted_usage

TESTER = Actor.queen("test")
MakeKey = Callable[..., ApiToken]


@pytest.fixture
def make_key(team: Team, owner: User) -> MakeKey:
    def make(**limits: Decimal) -> ApiToken:
        valid = timedelta(days=1)
        name = f"ci{KeyPolicy.objects.count() or ''}"  # no two of a team bear one name
        return KeyPolicy.issue(team=team, user=owner, name=name, valid=valid, **limits)[0].token

    return make


def hold(budget: Budget, key: ApiToken | None, amount: str, *, at: str = "0", number: int = 1) -> Hold:
    return place_hold(
        budget=budget,
        reference=f"replica:1:{number}",
        amount_glm=Decimal(amount),
        until=timezone.now() + timedelta(minutes=15),
        key=key,
        per_hour_glm=Decimal(at),
    )


# -- the rule, alone --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, None),
        ({"limit_glm": Decimal(5), "limit_per_day_glm": Decimal(3), "limit_per_hour_glm": Decimal(2)}, None),
        (
            {"limit_glm": Decimal("4.5")},
            "has 0.5 GLM left of its 4.5 GLM in all: 1 GLM are needed",
        ),
        ({"limit_per_day_glm": Decimal(1)}, "has 0 GLM left of its 1 GLM for today, until midnight UTC"),
        ({"limit_per_hour_glm": Decimal("1.9")}, "has 0.4 GLM left of its 1.9 GLM an hour, for all"),
    ],
)
def test_it_says_which_limit_is_reached_and_what_is_left(limits: Any, words: str | None) -> None:
    policy = KeyPolicy(token=ApiToken(name="ci", hint="hive_abc"), **limits)
    spend = KeySpend(total_glm=Decimal(5), today_glm=Decimal(3), held_glm=Decimal(1), per_hour_glm=Decimal(2))
    error = why_beyond(policy, spend, added_glm=Decimal(1), added_per_hour_glm=Decimal("0.5"))
    assert words in str(error) if words else error is None


# -- held and spent ---------------------------------------------------------------------------------------


def test_it_holds_up_to_the_limit_and_no_further(budget: Budget, make_key: MakeKey) -> None:
    key = make_key(limit_glm=Decimal(3))
    hold(budget, key, "2")
    with pytest.raises(KeyExhausted, match="has 1 GLM left of its 3 GLM in all") as refused:
        hold(budget, key, "1.000000000000000001", number=2)
    assert (refused.value.available, refused.value.needed) == (1, Decimal("1.000000000000000001"))
    hold(budget, key, "1", number=2)
    assert spend_of(key.pk).total_glm == budget.held_glm == 3
    assert hold(budget, None, "5", number=3)  # the budget has it, and this asks for no key


def test_the_same_reference_is_held_once(budget: Budget, make_key: MakeKey) -> None:
    key = make_key(limit_glm=Decimal(3))
    assert hold(budget, key, "2") == hold(budget, key, "2")
    assert spend_of(key.pk).total_glm == 2


def test_a_renewal_counts_too(budget: Budget, make_key: MakeKey) -> None:
    key = make_key(limit_glm=Decimal(3), limit_per_hour_glm=Decimal(1))
    held, later = hold(budget, key, "2", at="0.5"), timezone.now() + timedelta(hours=1)
    with pytest.raises(KeyExhausted, match="in all"):
        extend_hold(held, amount_glm=Decimal("1.5"), until=later)
    with pytest.raises(KeyExhausted, match="an hour"):
        extend_hold(held, amount_glm=Decimal(0), until=later, per_hour_glm=Decimal("1.1"))
    held.refresh_from_db()
    assert (held.amount, held.per_hour_glm) == (2, Decimal("0.5"))
    extend_hold(held, amount_glm=Decimal(1), until=later, per_hour_glm=Decimal(1))
    assert (held.amount, held.per_hour_glm, budget.held_glm) == (3, 1, 3)


def test_what_costs_nothing_more_is_renewed_though_the_limit_was_lowered(
    budget: Budget, make_key: MakeKey
) -> None:
    key = make_key(limit_glm=Decimal(3))
    held = hold(budget, key, "2")
    key.policy.change(actor=TESTER, limit_glm=Decimal(1))  # type: ignore[attr-defined]
    assert extend_hold(held, amount_glm=Decimal(0), until=timezone.now() + timedelta(hours=1))


def test_what_is_given_back_is_not_spent(budget: Budget, make_key: MakeKey) -> None:
    key = make_key(limit_glm=Decimal(3))
    release_hold(hold(budget, key, "3"), actor=TESTER, reason="nothing came of it")
    assert spend_of(key.pk) == KeySpend(Decimal(0), Decimal(0), Decimal(0), Decimal(0))
    assert hold(budget, key, "3", number=2)


def test_what_is_over_costs_no_hour_though_its_last_usage_is_still_expected(
    budget: Budget, make_key: MakeKey, agreement: Agreement
) -> None:
    """Else the replacement of a lost replica would wait for the money of the lost one."""
    key = make_key(limit_per_hour_glm=Decimal(1))
    Hold.objects.filter(pk=hold(budget, key, "1", at="0.8").pk).update(agreement=agreement)
    with pytest.raises(KeyExhausted, match="an hour"):
        hold(budget, key, "1", at="0.8", number=2)
    Agreement.objects.update(state="terminated", deadline_at=None)
    assert hold(budget, key, "1", at="0.8", number=2)
    assert spend_of(key.pk).per_hour_glm == Decimal("0.8")
    assert spend_of(key.pk).held_glm == 2


def test_a_new_day_has_its_own_limit(budget: Budget, make_key: MakeKey, agreement: Agreement) -> None:
    key = make_key(limit_per_day_glm=Decimal(3))
    yesterday, today = timezone.now() - timedelta(days=1), timezone.now()
    Hold.objects.create(
        budget=budget,
        reference="replica:9:1",
        state="posted",
        amount=Decimal(7),
        posted=Decimal(7),
        agreement=agreement,
        key=key,
    )
    for sequence, (at, cost) in enumerate([(yesterday, "6"), (today, "1")], start=1):
        ended_at_ms = int(at.timestamp() * 1000)
        posted_usage(agreement, sequence=sequence, ended_at_ms=ended_at_ms, cost_glm=Decimal(cost))
    hold(budget, key, "2")
    spend = spend_of(key.pk)
    assert (spend.total_glm, spend.today_glm, spend.held_glm) == (9, 3, 2)
    with pytest.raises(KeyExhausted, match="for today"):
        hold(budget, key, "0.1", number=2)


def test_usage_dated_ahead_counts_on_the_day_it_came_in_alone(
    budget: Budget, make_key: MakeKey, agreement: Agreement
) -> None:
    key, spent = make_key(limit_per_day_glm=Decimal(3)), {"state": "posted", "amount": 2, "posted": 2}
    Hold.objects.create(budget=budget, reference="replica:9:1", agreement=agreement, key=key, **spent)
    ahead = timezone.now() + timedelta(days=3)
    posted_usage(agreement, sequence=1, ended_at_ms=int(ahead.timestamp() * 1000), cost_glm=Decimal(2))
    assert spend_of(key.pk).today_glm == 2
    UsageRecord.objects.update(received_at=timezone.now() - timedelta(days=1))
    assert spend_of(key.pk).today_glm == 0


def test_each_key_has_its_own_and_all_are_told_in_two_queries(
    budget: Budget, make_key: MakeKey, django_assert_num_queries: Any
) -> None:
    keys = [make_key() for _ in range(3)]
    for number, key in enumerate(keys[:2], start=1):
        hold(budget, key, str(number), number=number)
    with django_assert_num_queries(2):
        spends = spends_of([key.pk for key in keys])
    assert [spends[key.pk].total_glm for key in keys] == [1, 2, 0]


def test_the_database_takes_no_limit_below_zero(make_key: MakeKey) -> None:
    with pytest.raises(IntegrityError, match="key_limits_not_negative"), transaction.atomic():
        make_key(limit_per_hour_glm=Decimal(-1))


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE billing_hold SET key_id = NULL", "what was held under a key counts against it"),
        ("UPDATE teams_apitoken SET is_limited = false", "a token stays whose and what it is"),
        ("UPDATE teams_apitoken SET digest = 'ab'", "a token stays whose and what it is"),
    ],
)
def test_nobody_gets_round_a_limit_with_plain_sql(
    budget: Budget, make_key: MakeKey, sql: str, words: str
) -> None:
    hold(budget, make_key(limit_glm=Decimal(3)), "2")
    with pytest.raises(DatabaseError, match=words), transaction.atomic():
        connection.cursor().execute(sql)


# -- side by side -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_many_that_want_the_last_of_it_at_once_only_as_many_get_it_as_fit(
    budget: Budget, make_key: MakeKey
) -> None:
    key = make_key(limit_glm=Decimal(5), limit_per_hour_glm=Decimal(100))

    def take(number: int) -> bool:
        try:
            hold(budget, key, "0.9", at="1", number=number)
        except KeyExhausted:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as workers:
        got = list(workers.map(take, range(24)))
    assert sum(got) == 5
    assert spend_of(key.pk).total_glm == budget.held_glm == Decimal("4.5")
    assert Hold.objects.count() == 5
