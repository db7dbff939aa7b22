"""What is behind an entry of the ledger, for people: whose deposit it was, where a withdrawal went."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from apps.billing.models import ChainTransfer, Payment, PaymentPurpose, PaymentState

_DEPOSIT, _CHAIN, _PAYMENT = "deposit:", "chain:", "payment:"
_PAPERS = {"invoice:": "Invoice", "credit_note:": "Credit note"}
_WENT = {
    PaymentPurpose.PAYOUT: "Payout",
    PaymentPurpose.RETURN: "Return",
    PaymentPurpose.WITHDRAWAL: "Withdrawal",
}


class Behind(NamedTuple):
    """`address` is the other side's wallet, `tx_hash` the chain's transaction; empty where there is none."""

    words: str
    address: str = ""
    tx_hash: str = ""
    is_under_way: bool = False
    """It is to be paid out, and is not final yet: it waits for operators, or for the chain."""


class Told(NamedTuple):
    """Of an entry, what names the noun behind it."""

    key: str
    reference: str


def behind(entries: Iterable[Told]) -> dict[str, Behind]:
    """By the entries' keys. At most two queries, however many entries there are."""
    entries = list(entries)
    payments = _payments({each.reference for each in entries})
    deposits = _deposits({pk for each in entries if (pk := _deposit(each)) is not None})
    return {
        each.key: payments.get(each.reference) or deposits.get(_deposit(each) or 0) or _by_itself(each)
        for each in entries
    }


def short(address: str) -> str:
    """0x1234…abcd."""
    return f"{address[:6]}…{address[-4:]}"


def _payments(references: set[str]) -> dict[str, Behind]:
    ids = [UUID(each.removeprefix(_PAYMENT)) for each in references if each.startswith(_PAYMENT)]
    if not ids:
        return {}
    found = (
        Payment.objects.filter(pk__in=ids)
        .select_related("transaction")
        .only("purpose", "recipient", "state", "transaction__tx_hash")
    )
    return {f"{_PAYMENT}{each.pk}": _paid(each) for each in found}


def _paid(payment: Payment) -> Behind:
    words = f"{_WENT[PaymentPurpose(payment.purpose)]} to {short(payment.recipient)}"
    is_over = payment.state in (PaymentState.FINAL, PaymentState.FAILED)
    return Behind(words, payment.recipient, payment.tx_hash or "", is_under_way=not is_over)


def _deposits(ids: set[int]) -> dict[int, Behind]:
    """By the ids of the chain's events: the keys name them, and they are found by no index otherwise."""
    if not ids:
        return {}
    events = ChainTransfer.objects.filter(pk__in=ids).only("tx_hash", "sender", "payer")
    return {
        each.pk: Behind(f"Deposit from {short(each.paid_by)}", each.paid_by, each.tx_hash) for each in events
    }


def _deposit(entry: Told) -> int | None:
    """The id of the event behind `deposit:7`, `deposit:7:undone` and the like."""
    _, _, rest = entry.key.partition(_DEPOSIT)
    number = rest.partition(":")[0]
    is_event = entry.key.startswith(_DEPOSIT) and entry.reference.startswith(_CHAIN)
    return int(number) if is_event and number.isdecimal() else None


def _by_itself(entry: Told) -> Behind:
    for prefix, name in _PAPERS.items():
        if entry.reference.startswith(prefix):
            return Behind(f"{name} {entry.reference.removeprefix(prefix)}")
    return Behind(entry.reference)
