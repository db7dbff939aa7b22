"""Transfers posted a second, guards and immutability included, beside bare inserts of the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

from benchmarks.figure import Figure
from benchmarks.queen import queen

TRANSFERS = 20_000
BATCH = 500


def measure() -> Figure:
    with queen():
        from django.db import connection

        posted_per_s = TRANSFERS / _seconds(_post)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bare (LIKE billing_transfer INCLUDING ALL)")
        bare_per_s = TRANSFERS / _seconds(_insert_bare)
    return Figure(
        name="ledger",
        value=posted_per_s,
        unit="transfers/s",
        peer="bare INSERT of the same rows, same batches",
        peer_value=bare_per_s,
        target=0.2,
        note=f"{TRANSFERS} transfers between two guarded accounts, {BATCH} a transaction",
    )


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _post() -> None:
    from apps.billing.budgets.opening import open_budget
    from apps.billing.ledger.accounts import AccountKind, Transfer, TransferKind
    from apps.billing.ledger.posting import house_account, post_all, transfer
    from apps.teams.models import Team

    budget = open_budget(Team.objects.create(slug="bench", name="Bench"))
    treasury = house_account(AccountKind.TREASURY)
    deposit = {"kind": TransferKind.DEPOSIT, "debit": treasury, "credit": budget.available}
    transfer(key="deposit", amount_glm=Decimal(TRANSFERS), **deposit)  # type: ignore[arg-type]
    hold = {"kind": TransferKind.HOLD, "debit": budget.available, "credit": budget.held}
    for first in range(0, TRANSFERS, BATCH):
        post_all(
            [Transfer(key=f"hold-{n}", amount=Decimal("0.5"), **hold) for n in range(first, first + BATCH)]  # type: ignore[arg-type]
        )


def _insert_bare() -> None:
    from django.db import connection, transaction

    columns = "id, key, kind, debit_id, credit_id, amount, reference, undoes_id, at"
    for first in range(0, TRANSFERS, BATCH):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO bare ({columns}) SELECT {columns} FROM billing_transfer "
                "ORDER BY id OFFSET %s LIMIT %s",
                [first, BATCH],
            )
