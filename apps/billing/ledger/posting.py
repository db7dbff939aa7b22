"""Moving money: transfers, each exactly once, in the caller's transaction; and the proof that they add up."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F, Q, Sum

from apps.billing.ledger.accounts import GLM, GUARDED_KINDS, Account, AccountKind, Transfer, TransferKind
from apps.billing.ledger.checkpoints import sum_of, wrong_checkpoints
from apps.billing.ledger.entries import Entry, write
from apps.money import ZERO, plain, round_glm
from apps.nodes.models import Node

LIMIT_GLM = Decimal(10) ** 10
"""Ten times all GLM there is. Below it Python's decimals, of 28 digits, add up without rounding."""
_MOST_PLACES = 60
"""That are told of an amount which is refused."""
NO_CREDIT_FOR_PAYOUTS = "account_no_credit_for_payouts"
"""The name under which the database refuses to pay out what a team has on credit."""
_SHORT = frozenset({"account_within_its_credit", NO_CREDIT_FOR_PAYOUTS})


class LedgerError(Exception):
    """A transfer that the ledger refuses; nothing of it has happened."""


class InsufficientFunds(LedgerError):
    """A guarded account would have gone below zero, or below what it has on credit."""

    def __init__(self, *, available: Decimal, needed: Decimal) -> None:
        super().__init__(f"{plain(needed)} GLM are needed, {plain(available)} GLM are available")
        self.available, self.needed = available, needed


class KeyReused(LedgerError):
    """The same key was used for another movement of money."""


def transfer(
    *,
    key: str,
    kind: str,
    debit: Account,
    credit: Account,
    amount_glm: Decimal,
    reference: str = "",
    undoes: Transfer | None = None,
) -> Transfer:
    """Move `amount_glm` from `debit` to `credit`; the same `key` moves it once, however often it is asked.

    Raises InsufficientFunds when a guarded account would go below zero, KeyReused when `key` stands for
    something else, ValueError for an amount that is not positive, beyond 10^10, or finer than 18 places.
    """
    wanted = Transfer(
        key=key,
        kind=kind,
        debit=debit,
        credit=credit,
        amount=amount_glm,
        reference=reference,
        undoes=undoes,
    )
    post_all([wanted])
    return _same(Transfer.objects.get(key=key), wanted)


def post_all(transfers: Sequence[Transfer]) -> None:
    """Write many transfers in one statement, leaving out keys that exist.

    Raises InsufficientFunds, and ValueError for an amount that `transfer` would not take.
    """
    post_entries([Entry.of(each) for each in transfers])


def post_entries(entries: Sequence[Entry]) -> int:
    """`post_all` for very many. Returns how many were not there yet."""
    for each in entries:
        exact(each.amount)
    try:
        with transaction.atomic():
            return write(entries)
    except IntegrityError as error:
        if _constraint(error) in _SHORT:
            raise _shortage(entries) from None
        raise


def undo(done: Transfer, *, key: str, reference: str = "") -> Transfer:
    """Write the counter-entry of a transfer. Raises InsufficientFunds when what it brought is gone."""
    return transfer(
        key=key,
        kind="counter",
        debit=done.credit,
        credit=done.debit,
        amount_glm=done.amount,
        reference=reference or done.reference,
        undoes=done,
    )


def exact(amount_glm: Decimal) -> Decimal:
    """The amount itself, if the ledger can hold it to the last digit; ValueError if not."""
    if not amount_glm.is_finite() or not ZERO < amount_glm < LIMIT_GLM:
        raise ValueError(f"{_told(amount_glm)} GLM: expected a positive amount below 10^10")
    if round_glm(amount_glm) != amount_glm:
        raise ValueError(f"{_told(amount_glm)} GLM: expected at most 18 places")
    return amount_glm


def _told(amount_glm: Decimal) -> str:
    """As people write it, if that is short: 1E+999999 stays what it is."""
    is_short = amount_glm.is_finite() and abs(int(amount_glm.as_tuple().exponent)) < _MOST_PLACES
    return plain(amount_glm) if is_short else str(amount_glm)


# -- accounts ---------------------------------------------------------------------------------------------


def house_account(kind: str, *, currency: str = GLM) -> Account:
    """The Hive's one account of this kind and currency, opened on first use."""
    return _opened(kind=kind, currency=currency)


def payable_account(node: Node) -> Account:
    """What is owed to this node, opened on first use."""
    return _opened(kind=AccountKind.PAYABLE, node=node)


def payable_accounts(nodes: Collection[Node]) -> dict[str, uuid.UUID]:
    """The ids of these nodes' payable accounts by node id; those that are missing are opened."""
    kept = Account.objects.filter(kind=AccountKind.PAYABLE, team=None, node__in=nodes)
    found = {node_id: pk for pk, node_id in kept.values_list("pk", "node_id") if node_id}
    return found | {node.pk: payable_account(node).pk for node in nodes if node.pk not in found}


def balance(account: Account, *, at: datetime | None = None) -> Decimal:
    """Credits less debits, in the account's currency: now, or as they stood at an instant."""
    if account.is_guarded and at is None:
        return Account.objects.values_list("guarded_balance", flat=True).get(pk=account.pk) or ZERO
    return sum_of(account, at=at)


def spendable(account: Account) -> Decimal:
    """What a guarded account can still give: its balance, and its credit."""
    able = F("guarded_balance") + F("credit_limit_glm")
    return Account.objects.values_list(able, flat=True).get(pk=account.pk) or ZERO


# -- proof ------------------------------------------------------------------------------------------------


def ledger_sum(*, currency: str = GLM) -> Decimal:
    """Guarded balances, and the sums of transfers of all other accounts. Zero, or something is broken."""
    kept = Account.objects.filter(kind__in=GUARDED_KINDS, currency=currency)
    guarded = kept.aggregate(all=Sum("guarded_balance"))["all"] or ZERO
    others = Account.objects.filter(currency=currency).exclude(kind__in=GUARDED_KINDS)
    return guarded + sum((sum_of(account) for account in others), ZERO)


def currencies() -> list[str]:
    """In which something is kept: GLM first."""
    kept = Account.objects.order_by("currency").values_list("currency", flat=True).distinct()
    return [GLM, *(each for each in kept if each != GLM)]


def check_ledger() -> list[str]:
    """What does not add up, one sentence each; empty when all is well."""
    credited, debited = _totals("credit"), _totals("debit")
    found = [
        f"{account}: its balance says {account.guarded_balance}, its transfers say {total}"
        for account in Account.objects.filter(kind__in=GUARDED_KINDS).select_related("team", "node")
        if (total := credited.get(account.pk, ZERO) - debited.get(account.pk, ZERO))
        != account.guarded_balance
    ]
    sums = {currency: ledger_sum(currency=currency) for currency in currencies()}
    wrong = [f"the ledger sums to {total} {each} instead of zero" for each, total in sums.items() if total]
    return found + wrong + wrong_checkpoints() + _stray_holds()


def _stray_holds() -> list[str]:
    left = Sum(
        F("held_of__holds__amount") - F("held_of__holds__posted"), filter=Q(held_of__holds__state="held")
    )
    held = Account.objects.filter(kind=AccountKind.HELD).select_related("team", "node").annotate(left=left)
    return [
        f"{account}: its balance says {account.guarded_balance}, its holds add up to {account.left or ZERO}"
        for account in held
        if (account.left or ZERO) != account.guarded_balance
    ]


def _totals(side: str) -> dict[uuid.UUID, Decimal]:
    """What all transfers add up to for each account on this side of them."""
    return dict(Transfer.objects.order_by().values_list(side).annotate(Sum("amount")))


def _opened(*, kind: str, node: Node | None = None, currency: str = GLM) -> Account:
    fields = {"kind": kind, "team": None, "node": node, "currency": currency}
    new = Account.new(kind, node=node)
    return Account.objects.get_or_create(**fields, defaults={"guarded_balance": new.guarded_balance})[0]


def _same(stored: Transfer, wanted: Transfer) -> Transfer:
    for field in ("kind", "debit_id", "credit_id", "amount"):
        if getattr(stored, field) != getattr(wanted, field):
            raise KeyReused(
                f"{wanted.key}: {field} was {getattr(stored, field)}, is {getattr(wanted, field)} now"
            )
    return stored


def _shortage(entries: Iterable[Entry]) -> InsufficientFunds:
    """Say of the first account that lacks money what it has and what was asked of it."""
    sums: dict[uuid.UUID, Decimal] = {}
    for each in entries:
        sums[each.debit_id] = sums.get(each.debit_id, ZERO) + each.amount
    accounts = Account.objects.in_bulk(sums)
    asked = {accounts[pk]: amount for pk, amount in sums.items()}
    leaves = any(each.kind == TransferKind.PAYOUT for each in entries)
    able = balance if leaves else spendable
    lacking = [(able(account), amount) for account, amount in asked.items() if account.is_guarded]
    available, needed = next(((has, wants) for has, wants in lacking if has < wants), lacking[0])
    return InsufficientFunds(available=available, needed=needed)


def _constraint(error: IntegrityError) -> str | None:
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None)
