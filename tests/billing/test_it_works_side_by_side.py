"""Workers at the same time, each with its own connection: nothing twice, nothing lost, nobody locked out."""

import itertools
import threading
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import connection

from apps.billing.chain import proof
from apps.billing.chain.reconciliation import Reconciliation
from apps.billing.chain.watcher import watch_chain
from apps.billing.ledger.posting import (
    InsufficientFunds,
    balance,
    check_ledger,
    house_account,
    ledger_sum,
    payable_account,
    transfer,
)
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import Account, AccountKind, MeteringFault, Payment, TransferKind, UsageRecord
from apps.billing.treasury.settlement import pay_providers
from tests.billing.chain_of_tests import FINALITY

pytestmark = pytest.mark.django_db(transaction=True)


def side_by_side(*works: Callable[[], object]) -> list[object]:
    """Run each in a thread of its own; what they return, or the exception that ended them."""
    results: list[object] = [None] * len(works)
    start = threading.Barrier(len(works))

    def run(number: int, work: Callable[[], object]) -> None:
        start.wait()
        try:
            results[number] = work()
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_it_never_locks_out_opposite_transfers(budget):
    numbers = itertools.count()

    def swing(debit: Account, credit: Account) -> int:
        return sum(moved(debit, credit, next(numbers)) for _ in range(40))

    swings = [
        lambda: swing(budget.available, budget.held),
        lambda: swing(budget.held, budget.available),
    ]
    results = side_by_side(*swings, *swings)
    assert all(isinstance(result, int) for result in results), results
    assert ledger_sum() == 0
    assert [line for line in check_ledger() if "holds add up" not in line] == []
    assert budget.available_glm + budget.held_glm == 10


def moved(debit: Account, credit: Account, number: int) -> bool:
    try:
        transfer(
            key=f"swing:{number}",
            kind=TransferKind.HOLD,
            debit=debit,
            credit=credit,
            amount_glm=Decimal("0.7"),
        )
    except InsufficientFunds:
        return False
    return True


def test_it_moves_money_once_though_asked_at_once(budget):
    results = side_by_side(*[lambda: moved(budget.available, budget.held, 1)] * 6)
    assert results == [True] * 6
    assert budget.held_glm == Decimal("0.7")


def test_it_opens_an_account_once(node):
    accounts = side_by_side(*[lambda: payable_account(node)] * 6)
    assert len(set(accounts)) == 1
    assert Account.objects.filter(kind=AccountKind.PAYABLE).count() == 1


def test_it_stores_and_rates_a_chain_once(meter, node):
    reports = [meter.report() for _ in range(5)]
    store = [lambda: store_usage(node_id=node.id, reports=reports)] * 4
    assert sorted(side_by_side(*store)) == [0, 0, 0, 5]
    rated = side_by_side(*[rate_usage] * 4)
    assert sum(rated) == UsageRecord.objects.count() == 5
    assert not MeteringFault.objects.exists()
    assert balance(payable_account(node)) == Decimal("0.00073")
    assert check_ledger() == []


@pytest.mark.needs("chain")
def test_it_proves_the_books_of_a_new_hive_for_all_who_ask(anvil, monkeypatch):
    """Each reads an instant of its own, in which an account that another opens meanwhile is not there."""
    both_began = threading.Barrier(2)
    reconcile = proof.reconcile

    def reconcile_together() -> Reconciliation:
        ledger_sum()  # the instant is this one
        both_began.wait()
        return reconcile()

    monkeypatch.setattr(proof, "reconcile", reconcile_together)
    assert side_by_side(*[proof.prove_books] * 2) == [[], []]


@pytest.mark.needs("chain")
def test_it_pays_once_with_two_workers(anvil, hold, meter, node):
    from eth_account import Account

    from apps.nodes.queen import queen_address

    anvil.glm.deposit(Account.from_key("0x" + "77" * 32), queen_address(), Decimal(10))
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    made = side_by_side(*[lambda: pay_providers(minimum_glm=Decimal(0))] * 4)
    assert sorted(len(payments) for payments in made) == [0, 0, 0, 1]
    side_by_side(*[watch_chain] * 4)
    anvil.mine(FINALITY)
    side_by_side(*[watch_chain] * 4)
    assert Payment.objects.get().state == "final"
    assert anvil.glm_of(node.id) == Decimal("0.000226")
    assert balance(house_account(AccountKind.IN_FLIGHT)) == 0
    assert ledger_sum() == 0
