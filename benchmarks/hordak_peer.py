"""`python -m benchmarks.hordak_peer`: what django-hordak posts a second, each of its ways, as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

BATCH = 500


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.hordak_settings"
    import django
    from django.core.management import call_command
    from moneyed import add_currency

    add_currency("GLM", numeric=None, name="Golem", sub_unit=10**18)
    django.setup()
    call_command("migrate", verbosity=0)
    debit, credit = _account("Available", "1"), _account("Held", "2")
    few, many = map(int, sys.argv[1:3])
    ways: dict[str, tuple[Callable[..., None], int]] = {
        "single": (_one_by_one, few),
        "batch": (_in_batches, few),
        "bulk": (_in_bulk, many),
    }
    json.dump({name: _per_s(post, count, debit, credit) for name, (post, count) in ways.items()}, sys.stdout)


def _account(name: str, code: str) -> Any:
    from hordak.models import Account, AccountType

    return Account.objects.create(name=name, code=code, type=AccountType.liability, currencies=["GLM"])


def _per_s(post: Callable[..., None], count: int, debit: Any, credit: Any) -> float:
    begun = time.perf_counter()
    post(count, debit, credit)
    return count / (time.perf_counter() - begun)


def _one_by_one(count: int, debit: Any, credit: Any) -> None:
    """As documented: one transaction of the database for each transfer."""
    from django.db import transaction
    from moneyed import Money

    for number in range(count):
        with transaction.atomic():
            debit.transfer_to(credit, Money(Decimal("0.5"), "GLM"), description=f"hold-{number}")


def _in_batches(count: int, debit: Any, credit: Any) -> None:
    """As documented, many in one transaction of the database."""
    from django.db import transaction
    from moneyed import Money

    for first in range(0, count, BATCH):
        with transaction.atomic():
            for number in range(first, first + BATCH):
                debit.transfer_to(credit, Money(Decimal("0.5"), "GLM"), description=f"hold-{number}")


def _in_bulk(count: int, debit: Any, credit: Any) -> None:
    """Past its own verb, by Django's bulk_create of its models: the quickest that it can be made."""
    from django.db import transaction
    from hordak.models import Leg, Transaction
    from moneyed import Money

    half = Money(Decimal("0.5"), "GLM")
    for first in range(0, count, BATCH):
        with transaction.atomic():
            made = Transaction.objects.bulk_create(
                [Transaction(description=f"hold-{number}") for number in range(first, first + BATCH)]
            )
            Leg.objects.bulk_create(
                leg
                for one in made
                for leg in (
                    Leg(transaction=one, account=debit, credit=half),
                    Leg(transaction=one, account=credit, debit=half),
                )
            )


if __name__ == "__main__":
    main()
