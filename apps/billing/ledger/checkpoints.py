"""Where the sums of the house's accounts stood: balances are reckoned from there, not from the beginning.

An account that is not guarded is the sum of its transfers, and so never a hot row; with millions of them the
sum takes seconds. A checkpoint holds it up to a transfer's id. No transfer that is missing in it may come
later: so the id is read while nobody writes, and all lower ones are then there, or never will be.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import OperationalError, connection, models, transaction
from django.db.models import Max, Q, Sum
from psycopg.errors import LockNotAvailable

from apps.billing.ledger.accounts import GUARDED_KINDS, Account, Transfer
from apps.locks import only_one
from apps.money import ZERO, GlmField, plain

WAIT_FOR_WRITERS = "1s"
"""Who wants to write meanwhile waits at most as long."""


class Checkpoint(models.Model):
    """Written once; `check_ledger` holds it against the transfers themselves."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="checkpoints")
    until_id = models.BigIntegerField(help_text="All transfers up to this id are in it.")
    newest_at = models.DateTimeField(help_text="None of them is later.")
    balance = GlmField(help_text="Credits less debits, in the account's currency.")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("account", "-until_id")
        constraints = (
            models.UniqueConstraint(fields=("account", "until_id"), name="checkpoint_once_per_transfer"),
        )

    def __str__(self) -> str:
        return f"{self.account} up to transfer {self.until_id}"


def draw_checkpoints() -> int:
    """One for each account of the house that had transfers since its last. Returns how many.

    None while somebody writes for longer than a moment: the next call draws them.
    """
    with only_one("billing.draw_checkpoints") as mine:
        until = _last_transfer() if mine else None
        return sum(_draw(account, *until) for account in _unguarded()) if until else 0


def sum_of(account: Account, *, at: datetime | None = None) -> Decimal:
    """Credits less debits: now, or as they stood at an instant."""
    known = Q() if at is None else Q(newest_at__lte=at)
    within = Q() if at is None else Q(at__lte=at)
    mark = account.checkpoints.filter(known).order_by("-until_id").first()
    if mark is None:
        return _sum(account, within)
    return mark.balance + _sum(account, within & Q(id__gt=mark.until_id))


def wrong_checkpoints() -> list[str]:
    """Those that are not what the transfers say, one sentence each. Reads all transfers of the house."""
    newest = [account.checkpoints.order_by("-until_id").first() for account in _unguarded()]
    return [
        f"{mark}: it says {plain(mark.balance)}, its transfers say {plain(total)}"
        for mark in newest
        if mark and (total := _sum(mark.account, Q(id__lte=mark.until_id))) != mark.balance
    ]


def _last_transfer() -> tuple[int, datetime] | None:
    """The last id and the latest instant, while nobody writes; None when there is none, or writers go on."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [WAIT_FOR_WRITERS])
            cursor.execute("LOCK TABLE billing_transfer IN SHARE MODE")
            last = Transfer.objects.aggregate(id=Max("id"), at=Max("at"))
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            return None
        raise
    return (last["id"], last["at"]) if last["id"] else None


def _draw(account: Account, until_id: int, newest_at: datetime) -> bool:
    last = account.checkpoints.order_by("-until_id").first()
    after = Q(id__gt=last.until_id if last else 0, id__lte=until_id)
    if not (account.credits.filter(after).exists() or account.debits.filter(after).exists()):
        return False
    total = (last.balance if last else ZERO) + _sum(account, after)
    Checkpoint.objects.create(account=account, until_id=until_id, newest_at=newest_at, balance=total)
    return True


def _unguarded() -> list[Account]:
    return list(Account.objects.exclude(kind__in=GUARDED_KINDS).select_related("team", "node").order_by("pk"))


def _sum(account: Account, which: Q) -> Decimal:
    sides = (account.credits, account.debits)
    came, went = (side.filter(which).aggregate(all=Sum("amount"))["all"] or ZERO for side in sides)
    return came - went
