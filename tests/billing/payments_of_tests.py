"""Payments with a transaction of their own, as settlement stores them, without a chain."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.billing.ledger.posting import house_account, payable_account, transfer
from apps.billing.models import AccountKind, Attempt, Payment, Transaction, TransferKind

TREASURY = "0x" + "11" * 20


def signed(*, nonce: int | None = None, tx_hash: str = "", **fields: Any) -> Transaction:
    """A transaction with one attempt; the nonces count up unless one is given."""
    nonce = Transaction.objects.count() if nonce is None else nonce
    tx_hash = tx_hash or f"0x{nonce:064x}"
    transaction = Transaction.objects.create(
        nonce=nonce,
        tx_hash=tx_hash,
        **{"chain_id": settings.HIVE_CHAIN_ID, "sender": TREASURY, "contract": "0xt", "data": "0x"}
        | {"deadline_at": timezone.now() + timedelta(hours=1)}
        | fields,
    )
    Attempt.objects.create(
        transaction=transaction,
        number=1,
        tx_hash=tx_hash,
        raw="0xraw",
        gas_limit=60_000,
        max_fee_wei=30 * 10**9,
        tip_wei=10**9,
    )
    return transaction


def carried(*, state: str = "signed", block_number: int | None = None, **fields: Any) -> Payment:
    """A payment in a transaction of its own, both in this state."""
    same: dict[str, Any] = {"chain_id": settings.HIVE_CHAIN_ID, "state": state}
    same["deadline_at"] = None if state in ("final", "failed") else timezone.now() + timedelta(hours=1)
    names = ("nonce", "tx_hash", "sender")
    of_transaction = {name: fields.pop(name) for name in names if name in fields}
    transaction = signed(**same, block_number=block_number, **of_transaction)
    return Payment.objects.create(**same, transaction=transaction, **fields)


def reserved(payment: Payment) -> Payment:
    """A payout's money, as if the node had earned it, put in flight as settlement does."""
    assert payment.node is not None
    payable, in_flight = payable_account(payment.node), house_account(AccountKind.IN_FLIGHT)
    treasury = house_account(AccountKind.TREASURY)
    for key, kind, debit, credit in (
        (f"earned:{payment.id}", TransferKind.USAGE, treasury, payable),
        (f"payout:{payment.id}", TransferKind.PAYOUT, payable, in_flight),
    ):
        transfer(key=key, kind=kind, debit=debit, credit=credit, amount_glm=payment.amount)
    return payment
