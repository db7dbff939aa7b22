"""Balances of any time, and from checkpoints: the same as from the first transfer on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Q

from apps.billing.ledger import checkpoints
from apps.billing.ledger.checkpoints import draw_checkpoints, sum_of, wrong_checkpoints
from apps.billing.ledger.posting import balance, check_ledger, house_account, ledger_sum
from apps.billing.models import Account, AccountKind, Checkpoint, Transfer

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def move(debit: Account, credit: Account, amount: str, *, at: datetime) -> Transfer:
    """Written with an instant of its own, as a clock that steps would."""
    key = f"move:{Transfer.objects.count()}"
    made = Transfer(key=key, kind="deposit", debit=debit, credit=credit, amount=Decimal(amount))
    Transfer._meta.get_field("at").auto_now_add = False
    try:
        made.at = at
        made.save(force_insert=True)
    finally:
        Transfer._meta.get_field("at").auto_now_add = True
    return made


@pytest.fixture
def accounts(db: None) -> tuple[Account, Account]:
    return house_account(AccountKind.TREASURY), house_account(AccountKind.SUSPENSE)


def from_the_first_on(account: Account, at: datetime | None = None) -> Decimal:
    return checkpoints._sum(account, Q() if at is None else Q(at__lte=at))


pytestmark = pytest.mark.django_db


def test_it_tells_the_balance_at_any_instant(accounts: Any) -> None:
    treasury, suspense = accounts
    for hours, amount in ((0, "5"), (1, "0.000000000000000001"), (2, "7")):
        move(treasury, suspense, amount, at=NOON + hours * HOUR)
    move(suspense, treasury, "2", at=NOON + 3 * HOUR)
    told = [balance(suspense, at=NOON + hours * HOUR) for hours in (-1, 0, 1, 2, 3)]
    five, nearly = Decimal(5), Decimal("0.000000000000000001")
    assert told == [0, five, five + nearly, 12 + nearly, 10 + nearly]
    assert balance(treasury, at=NOON + 2 * HOUR) == -told[3]
    assert balance(suspense, at=NOON + HOUR - timedelta(microseconds=1)) == five


def test_it_tells_a_guarded_balance_at_any_instant(budget: Any) -> None:
    before = Transfer.objects.order_by("at")[0].at - HOUR
    assert (balance(budget.available, at=before), balance(budget.available)) == (0, 10)


def test_it_reckons_the_same_from_checkpoints(accounts: Any) -> None:
    """Whatever the clock did: some come later and are dated earlier, and some are dated ahead."""
    treasury, suspense = accounts
    for number, hours in enumerate((0, 5, 2, 9, -3, 4, 4, 30, 1)):
        move(treasury, suspense, f"{number + 1}.5", at=NOON + hours * HOUR)
        if number in {2, 5}:
            assert draw_checkpoints() == 2
    for account in accounts:
        assert balance(account) == from_the_first_on(account) == sum_of(account)
        for hours in range(-4, 32):
            at = NOON + hours * HOUR
            assert balance(account, at=at) == from_the_first_on(account, at), hours
    assert ledger_sum() == 0
    assert check_ledger() == []


def test_it_draws_one_only_where_something_moved(accounts: Any) -> None:
    treasury, suspense = accounts
    assert draw_checkpoints() == 0
    move(treasury, suspense, "1", at=NOON)
    assert (draw_checkpoints(), draw_checkpoints()) == (2, 0)
    move(house_account(AccountKind.FEES), suspense, "1", at=NOON)
    assert draw_checkpoints() == 2
    assert Checkpoint.objects.filter(account=suspense).count() == 2


def test_it_reads_only_what_came_since(accounts: Any, django_assert_num_queries: Any) -> None:
    treasury, suspense = accounts
    move(treasury, suspense, "3", at=NOON)
    draw_checkpoints()
    with django_assert_num_queries(3) as asked:
        assert balance(suspense) == 3
    assert all('"id" > ' in each["sql"] for each in asked.captured_queries[1:])


def test_it_finds_a_checkpoint_that_is_wrong(accounts: Any) -> None:
    treasury, suspense = accounts
    made = move(treasury, suspense, "3", at=NOON)
    Checkpoint.objects.create(account=suspense, until_id=made.pk, newest_at=NOON, balance=Decimal(4))
    assert wrong_checkpoints() == [
        f"Suspense of the Hive up to transfer {made.pk}: it says 4, its transfers say 3"
    ]
    assert len(check_ledger()) == 2


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_checkpoint SET balance = 1",
        "UPDATE billing_checkpoint SET until_id = 0",
        "DELETE FROM billing_checkpoint",
    ],
)
def test_it_never_changes_a_checkpoint(accounts: Any, sql: str) -> None:
    treasury, suspense = accounts
    move(treasury, suspense, "3", at=NOON)
    draw_checkpoints()
    with pytest.raises(DatabaseError, match="balances are reckoned from it"), transaction.atomic():
        connection.cursor().execute(sql)


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_whoever_writes(accounts: Any, monkeypatch: Any) -> None:
    """A transfer that is not committed has a lower id than what comes after: none is left out."""
    treasury, suspense = accounts
    monkeypatch.setattr(checkpoints, "WAIT_FOR_WRITERS", "50ms")
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute(
                "INSERT INTO billing_transfer (key, kind, debit_id, credit_id, amount, reference, at)"
                " VALUES ('slow', 'deposit', %s, %s, 2, '', now())",
                [treasury.pk, suspense.pk],
            )
        move(treasury, suspense, "1", at=NOON)
        assert (draw_checkpoints(), Checkpoint.objects.count()) == (0, 0)
        other.commit()
    finally:
        other.close()
    assert (draw_checkpoints(), balance(suspense)) == (2, 3)
