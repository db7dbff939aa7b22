"""Transfers posted a second beside django-hordak, a double-entry ledger for Django, on the same server.

Both check in PostgreSQL that what is posted adds up. Ours also keeps the balances, refuses to overdraw, keeps
what is posted from change, and posts the same key once; it has those to do and is measured with them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from benchmarks.figure import Figure
from benchmarks.hordak_peer import BATCH
from benchmarks.queen import queen

FEW, MANY = 2_000, 20_000
"""Transfers one by one, and in sets."""


def measure() -> Iterator[Figure]:
    with queen() as stack:
        _make_database(stack.env["DATABASE_URL"])
        post_one, post_set = _verbs()
        one_per_s = _per_s(post_one, FEW)
        set_per_s = _per_s(post_set, MANY)
        peer = _peer(stack.env["DATABASE_URL"])
    yield Figure(
        name="hordak",
        value=set_per_s,
        unit="transfers/s",
        peer="django-hordak's transfer_to, same batches",
        peer_value=peer["batch"],
        target=5,
        note=f"{BATCH} a transaction; with one in each, where both wait for the disk, {one_per_s:,.0f}/s"
        f" beside {peer['single']:,.0f}/s",
    )
    yield Figure(
        name="hordak: bulk",
        value=set_per_s,
        unit="transfers/s",
        peer="bulk_create of django-hordak's models, past its own verb",
        peer_value=peer["bulk"],
        target=5,
        note=f"{BATCH} a transaction; ours with balances, guards, immutability and idempotency",
    )


def _per_s(post: Callable[[int], None], count: int) -> float:
    begun = time.perf_counter()
    post(count)
    return count / (time.perf_counter() - begun)


def _verbs() -> tuple[Callable[[int], None], Callable[[int], None]]:
    from apps.billing.budgets.opening import open_budget
    from apps.billing.ledger.accounts import AccountKind, TransferKind
    from apps.billing.ledger.entries import Entry
    from apps.billing.ledger.posting import house_account, post_entries, transfer
    from apps.teams.models import Team

    budget = open_budget(Team.objects.create(slug="bench", name="Bench"))
    treasury, half = house_account(AccountKind.TREASURY), Decimal("0.5")
    deposit: dict[str, Any] = {"debit": treasury, "credit": budget.available}
    transfer(key="deposit", kind=TransferKind.DEPOSIT, amount_glm=Decimal(FEW + MANY), **deposit)
    hold: dict[str, Any] = {"kind": TransferKind.HOLD, "debit": budget.available, "credit": budget.held}
    into_held = TransferKind.HOLD.value, budget.available_id, budget.held_id

    def one_by_one(count: int) -> None:
        for number in range(count):
            transfer(key=f"one-{number}", amount_glm=half, **hold)

    def in_sets(count: int) -> None:
        for first in range(0, count, BATCH):
            post_entries(
                [Entry(f"hold-{n}", *into_held, half) for n in range(first, first + BATCH)],
            )

    return one_by_one, in_sets


def _make_database(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE hordak")


def _peer(url: str) -> dict[str, float]:
    """Its own process: it has its own settings."""
    command = [sys.executable, "-m", "benchmarks.hordak_peer", str(FEW), str(MANY)]
    done = subprocess.run(
        command, env=os.environ | {"DATABASE_URL": url}, check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
