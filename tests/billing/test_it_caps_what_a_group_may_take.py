"""What is held and spent under a cap never passes it, whoever else takes of it at the time."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from apps.billing.budgets.capping import CapReached, cap_of, change_cap, counted_now, period_start, room_glm
from apps.billing.budgets.holding import extend_hold, place_hold, release_hold
from apps.billing.ledger.posting import house_account, transfer
from apps.billing.models import AccountKind, AtEnd, Budget, BudgetCap, CapPeriod, Hold, TransferKind
from apps.teams.audit import Actor
from apps.teams.models import AuditLine

TESTER = Actor.queen("test")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = itertools.count(1)


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


def spend(hold: Hold, amount: str, *, at: datetime | None = None) -> None:
    """So much more of it, as rating does; `at`: when it did."""
    with time_machine.travel(at or timezone.now()):
        Hold.objects.filter(pk=hold.pk).update(posted=F("posted") + Decimal(amount))
        transfer(
            key=f"usage:{hold.pk}:{next(NUMBERS)}",
            kind=TransferKind.USAGE,
            debit=hold.budget.held,
            credit=house_account(AccountKind.FEES),
            amount_glm=Decimal(amount),
            reference=f"hold:{hold.pk}",
        )


def month_start() -> datetime:
    return timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def in_a_month_long_begun(cap: BudgetCap) -> None:
    """A cap of so much a month, of which nobody has asked anything since this month began."""
    BudgetCap.objects.update(per=CapPeriod.MONTH, period_start=LONG_AGO)
    cap.refresh_from_db()


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
    old = hold(cap, "3")
    in_a_month_long_begun(cap)
    spend(old, "2", at=month_start() - timedelta(seconds=1))
    assert counted(cap) == 3
    hold(cap, "2", number=2)
    assert (counted(cap), cap.period_start) == (3, month_start())
    with pytest.raises(CapReached, match="3 GLM a month"):
        hold(cap, "0.1", number=3)


def test_what_was_posted_in_a_new_month_before_anybody_held_anew_counts_in_it(cap: BudgetCap) -> None:
    held = hold(cap, "3")
    in_a_month_long_begun(cap)
    spend(held, "0.5", at=month_start() - timedelta(seconds=1))
    spend(held, "2.4", at=month_start())
    assert (counted_now(cap), room_glm(cap)) == (Decimal("2.5"), Decimal("0.5"))
    later = timezone.now() + timedelta(hours=1)
    with pytest.raises(CapReached, match=r"has 0\.5 GLM left"):
        extend_hold(held, amount_glm=Decimal("0.6"), until=later)
    extend_hold(held, amount_glm=Decimal("0.5"), until=later)
    assert counted(cap) == counted_now(cap) == 3


def test_a_cap_that_becomes_monthly_counts_this_month_from_its_start(cap: BudgetCap) -> None:
    held = hold(cap, "3")
    spend(held, "0.5", at=month_start() - timedelta(seconds=1))
    spend(held, "2")
    with pytest.raises(ValueError, match=r"2 GLM: hello has 2\.5 GLM spent or held already"):
        change_cap(cap, limit_glm=Decimal(2), per=CapPeriod.MONTH, at_end="", actor=TESTER)
    change_cap(cap, limit_glm=Decimal(3), per=CapPeriod.MONTH, at_end="", actor=TESTER)
    assert (counted(cap), cap.period_start) == (Decimal("2.5"), month_start())


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


def spent_in_two_months(cap: BudgetCap) -> BudgetCap:
    """2 GLM before this month, 2.5 GLM since, under a cap of 3 a month."""
    spend(hold(cap, "2"), "2", at=month_start() - timedelta(seconds=1))
    change_cap(cap, limit_glm=Decimal(3), per=CapPeriod.MONTH, at_end="", actor=TESTER)
    spend(hold(cap, "2.5", number=2), "2.5")
    cap.refresh_from_db()
    assert (cap.used_glm, cap.counted_glm) == (Decimal("4.5"), Decimal("2.5"))
    return cap


@pytest.mark.parametrize("limit", ["100", "4.5", None])
def test_a_monthly_cap_becomes_one_in_all(cap: BudgetCap, limit: str | None) -> None:
    wanted = None if limit is None else Decimal(limit)
    spent_in_two_months(cap)
    changed = change_cap(cap, limit_glm=wanted, per=CapPeriod.IN_ALL, at_end="", actor=TESTER)
    assert (changed.limit_glm, changed.per, changed.counted_glm) == (wanted, "in all", Decimal("4.5"))


def test_a_limit_in_all_below_what_was_ever_spent_is_refused_clearly(cap: BudgetCap) -> None:
    spent_in_two_months(cap)
    with pytest.raises(ValueError, match=r"4 GLM: hello has 4\.5 GLM spent or held already; name at least"):
        change_cap(cap, limit_glm=Decimal(4), per=CapPeriod.IN_ALL, at_end="", actor=TESTER)
    assert counted(cap) == Decimal("2.5")


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
