"""What is held and spent under a cap never passes it, whoever else takes of it at the time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from apps.billing.budgets.capping import CapReached, cap_of, change_cap, period_start, room_glm
from apps.billing.budgets.holding import extend_hold, place_hold, release_hold
from apps.billing.models import AtEnd, Budget, BudgetCap, CapPeriod, Hold
from apps.teams.audit import Actor
from apps.teams.models import AuditLine

TESTER = Actor.queen("test")


@pytest.fixture
def cap(budget: Budget) -> BudgetCap:
    """3 of the budget's 10 GLM."""
    return change_cap(
        cap_of(budget, "deployment:1", name="hello"),
        limit_glm=Decimal(3),
        per=CapPeriod.IN_ALL,
        at_end="",
        actor=TESTER,
    )


def hold(cap: BudgetCap, amount: str, *, number: int = 1) -> Hold:
    return place_hold(
        budget=cap.budget,
        reference=f"replica:1:{number}",
        amount_glm=Decimal(amount),
        until=timezone.now() + timedelta(minutes=15),
        cap=cap,
    )


def counted(cap: BudgetCap) -> Decimal:
    cap.refresh_from_db()
    return cap.counted_glm


def spend(hold: Hold, amount: str) -> None:
    """As rating does."""
    Hold.objects.filter(pk=hold.pk).update(posted=Decimal(amount))


# -- the rule, alone --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("per", "now", "begins"),
    [
        ("in all", "2026-12-05T10:00", "2026-11-10T08:30"),
        ("month", "2026-11-30T23:59", "2026-11-10T08:30"),
        ("month", "2026-12-01T00:00", "2026-12-01T00:00"),
        ("month", "2027-02-14T12:00", "2027-02-01T00:00"),
        ("month", "2026-10-31T23:59", "2026-11-10T08:30"),
    ],
)
def test_a_period_begins_with_its_month_and_never_again(per: str, now: str, begins: str) -> None:
    begun, at, expected = (
        datetime.fromisoformat(text).replace(tzinfo=UTC) for text in ("2026-11-10T08:30", now, begins)
    )
    assert period_start(per, begun, now=at) == expected


# -- counting ---------------------------------------------------------------------------------------------


def test_it_holds_up_to_the_cap_and_no_further(cap: BudgetCap) -> None:
    hold(cap, "2")
    with pytest.raises(
        CapReached, match="hello may take 3 GLM in all of its budget and has 1 GLM left"
    ) as refused:
        hold(cap, "1.000000000000000001", number=2)
    assert (refused.value.available, refused.value.needed) == (1, Decimal("1.000000000000000001"))
    hold(cap, "1", number=2)
    assert counted(cap) == cap.budget.held_glm == 3
    assert room_glm(cap) == 0


def test_a_renewal_counts_too(cap: BudgetCap) -> None:
    held, later = hold(cap, "2"), timezone.now() + timedelta(hours=1)
    with pytest.raises(CapReached):
        extend_hold(held, amount_glm=Decimal("1.5"), until=later)
    assert counted(cap) == 2
    extend_hold(held, amount_glm=Decimal(1), until=later)
    assert counted(cap) == 3


def test_what_was_spent_stays_counted_and_the_rest_comes_back(cap: BudgetCap) -> None:
    held = hold(cap, "3")
    spend(held, "2")
    assert counted(cap) == 3
    release_hold(held, actor=TESTER, reason="over")
    assert counted(cap) == 2
    hold(cap, "1", number=2)
    with pytest.raises(CapReached):
        hold(cap, "0.1", number=3)


def test_without_a_limit_it_only_counts(budget: Budget) -> None:
    free = cap_of(budget, "deployment:2", name="free")
    hold(free, "9", number=7)
    assert (counted(free), free.left_glm, room_glm(free)) == (9, None, 1)


def test_a_new_month_counts_anew_from_what_is_still_held(cap: BudgetCap) -> None:
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    BudgetCap.objects.update(per=CapPeriod.MONTH, period_start=long_ago, at_end=AtEnd.STOP)
    Hold.objects.create(
        budget=cap.budget,
        reference="replica:1:1",
        amount=Decimal(3),
        posted=Decimal(2),
        deadline_at=timezone.now(),
        cap=cap,
    )
    assert counted(cap) == 3
    hold(cap, "2", number=2)
    assert (counted(cap), cap.period_start.day, cap.period_start > long_ago) == (3, 1, True)
    with pytest.raises(CapReached, match="3 GLM a month"):
        hold(cap, "0.1", number=3)


# -- changing it ------------------------------------------------------------------------------------------


def test_a_change_is_in_the_audit_trail(cap: BudgetCap) -> None:
    change_cap(cap, limit_glm=Decimal(5), per=CapPeriod.MONTH, at_end=AtEnd.STOP, actor=TESTER)
    line = AuditLine.objects.filter(noun="budgetcap", after="changed").latest("id")
    assert line.reason == "5 GLM a month, at the end stop; it was 3 GLM in all, at the end as the budget says"
    assert line.team_id == cap.budget.team_id


def test_a_limit_below_what_is_counted_is_refused_clearly(cap: BudgetCap) -> None:
    hold(cap, "2")
    with pytest.raises(
        ValueError, match="hello has 2 GLM spent or held already; name at least that, or stop"
    ):
        change_cap(cap, limit_glm=Decimal(1), per=CapPeriod.IN_ALL, at_end="", actor=TESTER)
    assert change_cap(cap, limit_glm=Decimal(2), per=CapPeriod.IN_ALL, at_end="", actor=TESTER).left_glm == 0


@pytest.mark.parametrize(
    ("limit", "per", "at_end", "words"),
    [
        ("0", "in all", "", "expected a positive amount"),
        ("-1", "in all", "", "expected a positive amount"),
        ("NaN", "in all", "", "expected a positive amount"),
        ("1e10", "in all", "", "below 10\\^10"),
        ("0.0000000000000000001", "in all", "", "at most 18 places"),
        ("1", "week", "", 'per: expected one of in all, month, got "week"'),
        ("1", "month", "explode", 'at_end: expected one of stop, scale-down, ask, got "explode"'),
    ],
)
def test_it_refuses_what_is_no_cap(cap: BudgetCap, limit: str, per: str, at_end: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        change_cap(cap, limit_glm=Decimal(limit), per=per, at_end=at_end, actor=TESTER)


# -- the database's own word ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE billing_hold SET amount = 3.000000000000000001", "budget_cap_not_passed"),
        ("UPDATE billing_budgetcap SET used_glm = 0", "the sum of its holds"),
        ("UPDATE billing_budgetcap SET base_glm = 2", "added up when it begins"),
        ("UPDATE billing_budgetcap SET limit_glm = 1", "budget_cap_not_passed"),
        ("UPDATE billing_budgetcap SET limit_glm = -1", "budget_cap"),
        ("UPDATE billing_budgetcap SET reference = 'deployment:2'", "its holds count under it"),
        ("UPDATE billing_budgetcap SET state = 'asked'", "budget_cap_has_deadline"),
        ("UPDATE billing_budgetcap SET state = 'lost'", "has no state lost"),
        (
            "UPDATE billing_budgetcap SET per = 'month', period_start = now() - interval '1 hour'",
            "begins once, with its month",
        ),
        ("UPDATE billing_hold SET cap_id = NULL", "what was held under a cap counts there"),
        ("DELETE FROM billing_budgetcap", "what was spent counts under it"),
    ],
)
def test_nobody_gets_round_a_cap_with_plain_sql(cap: BudgetCap, sql: str, words: str) -> None:
    hold(cap, "2")
    with pytest.raises(DatabaseError, match=words), transaction.atomic():
        connection.cursor().execute(sql)


def test_a_hold_counts_under_a_cap_of_its_own_budget(cap: BudgetCap) -> None:
    other = Budget.objects.create(
        team=cap.budget.team,
        name="other",
        available=_account(cap.budget, "available"),
        held=_account(cap.budget, "held"),
    )
    with pytest.raises(IntegrityError, match="a cap of its own budget"), transaction.atomic():
        Hold.objects.create(
            budget=other, reference="replica:9:9", amount=Decimal(1), deadline_at=timezone.now(), cap=cap
        )


def _account(budget: Budget, kind: str) -> object:
    account = type(budget.available).new(kind, team=budget.team)
    account.save()
    return account


# -- side by side -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_many_that_want_the_last_of_it_at_once_only_as_many_get_it_as_fit(cap: BudgetCap) -> None:
    def take(number: int) -> bool:
        try:
            with transaction.atomic():
                held = hold(cap, "0.7", number=number)
                extend_hold(held, amount_glm=Decimal("0.2"), until=timezone.now() + timedelta(hours=1))
        except CapReached:
            return False
        finally:
            connection.close()
        return True

    def give_back(number: int) -> None:
        try:
            release_hold(Hold.objects.get(reference=f"replica:1:{number}"), actor=TESTER, reason="back")
        except Hold.DoesNotExist:
            pass
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as workers:
        got = list(workers.map(take, range(24)))
        assert sum(got) == 3
        list(workers.map(give_back, range(24)))
    assert counted(cap) == cap.budget.held_glm == 0
