"""Four writers who share an account of the house, beside four who share nothing: does it make them queue?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from benchmarks.figure import Figure
from benchmarks.queen import queen

WRITERS = 4
TRANSFERS = 1_000
"""Of each writer, each in a transaction of its own: so that waiting for a lock is waiting for a disk, too."""
AMOUNT = Decimal("0.001")

Ends = tuple[Any, Any]
"""Debit and credit."""


def measure() -> Iterator[Figure]:
    with queen():
        from apps.billing.ledger.accounts import AccountKind
        from apps.billing.ledger.posting import house_account

        budgets = [_budget(number) for number in range(WRITERS)]
        treasury = house_account(AccountKind.TREASURY)
        alone = _per_s("alone", [(budget.available, budget.held) for budget in budgets])
        house = _per_s("house", [(treasury, budget.available) for budget in budgets])
        team = _per_s("team", [(budgets[0].available, budgets[0].held)] * WRITERS)
    yield Figure(
        name="hot account",
        value=house,
        unit="transfers/s",
        peer="the same writers with no account in common",
        peer_value=alone,
        target=0.7,
        note=f"{WRITERS} writers, {TRANSFERS} transactions of one transfer each, all from the treasury;"
        f" {team:,.0f}/s where all of them spend one team's money, which is guarded and has to queue",
    )


def _budget(number: int) -> Any:
    from apps.billing.budgets.opening import open_budget
    from apps.billing.ledger.accounts import AccountKind, TransferKind
    from apps.billing.ledger.posting import house_account, transfer
    from apps.teams.models import Team

    budget = open_budget(Team.objects.create(slug=f"bench-{number}", name=f"Bench {number}"))
    transfer(
        key=f"deposit-{number}",
        kind=TransferKind.DEPOSIT,
        debit=house_account(AccountKind.TREASURY),
        credit=budget.available,
        amount_glm=Decimal(1_000),
    )
    return budget


def _per_s(name: str, ends: list[Ends]) -> float:
    """Of all writers together, once each has its connection."""
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(_writer(f"{name}-first", 1), range(WRITERS), ends))
        begun = time.perf_counter()
        list(pool.map(_writer(name, TRANSFERS), range(WRITERS), ends))
        passed_s = time.perf_counter() - begun
        list(pool.map(_close, range(WRITERS)))
    return WRITERS * TRANSFERS / passed_s


def _writer(name: str, transfers: int) -> Callable[[int, Ends], None]:
    from apps.billing.ledger.accounts import TransferKind
    from apps.billing.ledger.posting import transfer

    def write(number: int, ends: Ends) -> None:
        debit, credit = ends
        for each in range(transfers):
            key = f"{name}-{number}-{each}"
            transfer(key=key, kind=TransferKind.HOLD, debit=debit, credit=credit, amount_glm=AMOUNT)

    return write


def _close(_: int) -> None:
    from django.db import connection

    connection.close()
