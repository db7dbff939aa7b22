"""Rating killed at any statement, and accounts that many want: nothing lost, nothing twice, no queue."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from apps.billing.budgets.opening import open_budget
from apps.billing.ledger.posting import (
    balance,
    check_ledger,
    house_account,
    ledger_sum,
    payable_account,
    transfer,
)
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import AccountKind, Hold, TransferKind, UsageRecord
from tests.billing.test_it_works_side_by_side import side_by_side

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]


def test_it_rates_once_though_it_is_killed_at_every_statement(meter, node, hold):
    reports = [meter.report() for _ in range(3)]
    store_usage(node_id=node.id, reports=reports)
    statements = 0
    while killed_at(statements, rate_usage):
        assert not UsageRecord.objects.exclude(state="received").exists()
        assert ledger_sum() == 0
        assert check_ledger() == []
        statements += 1
    assert statements > 10, "it was killed at each of them, and then came through"
    assert rate_usage() == 0
    assert UsageRecord.objects.filter(state="posted").count() == 3
    owed = Decimal("0.0001") + 3 * Decimal("0.000126")
    assert balance(payable_account(node)) == Hold.objects.get().posted == owed
    assert check_ledger() == []


def killed_at(statement: int, work: Callable[[], object]) -> bool:
    """Do it in a process of its own, killed as it is about to send its statement of this number, from 0."""
    connection.close()
    child = os.fork()
    if child == 0:
        _work_until(statement, work)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _work_until(statement: int, work: Callable[[], object]) -> None:
    sent = 0

    def count(execute: Any, *told: Any) -> Any:
        nonlocal sent
        if sent == statement:
            os.kill(os.getpid(), signal.SIGKILL)
        sent += 1
        return execute(*told)

    try:
        with connection.execute_wrapper(count):
            work()
        os._exit(0)
    except BaseException:
        os._exit(1)


def test_it_makes_no_team_wait_for_another_at_an_account_of_the_house(team, other_team):
    """The treasury is in every deposit: while one is being written, another team's goes through."""
    first, second = open_budget(team), open_budget(other_team)
    treasury = house_account(AccountKind.TREASURY)

    def deposit(budget: Any) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        transfer(
            key=f"to:{budget.pk}",
            kind=TransferKind.DEPOSIT,
            debit=treasury,
            credit=budget.available,
            amount_glm=Decimal(1),
        )
        return True

    with transaction.atomic():
        deposit(first)
        assert side_by_side(lambda: deposit(second)) == [True]
    assert (first.available_glm, second.available_glm) == (1, 1)
    assert ledger_sum() == 0
