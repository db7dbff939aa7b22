"""One payment out of the treasury: signed and stored in one transaction, before anything is sent.

Whatever it is for, it goes this way: its nonce lets it happen once, the stored transaction is sent again
until a block has it, and its entry moves the money to what is in flight.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Max
from django.utils import timezone

from apps.billing.chain.client import Chain, Gas
from apps.billing.ledger.accounts import Account, AccountKind, TransferKind
from apps.billing.ledger.posting import house_account, transfer
from apps.billing.treasury.models import Payment
from apps.billing.treasury.signers import treasury_address, treasury_signer
from apps.locks import queue_for

RESEND_AFTER = timedelta(seconds=15)
SETTLE_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the chain said before the transaction begins."""

    chain: Chain
    gas: Gas
    pending_nonce: int


def make_ready(chain: Chain, *, recipient: str, amount_glm: Decimal) -> Readiness:
    """Ask the chain what a payment takes. Raises ChainRefused when it can't succeed, ChainUnreachable."""
    treasury = treasury_address()
    gas = chain.price_of_transfer(sender=treasury, recipient=recipient, amount_glm=amount_glm)
    # Asked before the lock: our own later nonces are all in the database.
    return Readiness(chain, gas, chain.nonce(treasury))


def wait_in_line() -> None:
    """One payment is signed at a time, until the end of the transaction: each has its nonce."""
    queue_for("billing.nonce")


def sign_and_store(
    ready: Readiness, *, source: Account, recipient: str, amount_glm: Decimal, **fields: Any
) -> Payment:
    """In the caller's transaction, after `wait_in_line`. Raises InsufficientFunds. `fields` say what for."""
    nonce = max(ready.pending_nonce, _next_nonce(ready.chain))
    signed = ready.chain.sign_transfer(
        signer=treasury_signer(), recipient=recipient, amount_glm=amount_glm, nonce=nonce, gas=ready.gas
    )
    now = timezone.now()
    payment = Payment.objects.create(
        id=uuid.uuid4(),
        chain_id=ready.chain.chain_id,
        sender=treasury_address(),
        recipient=recipient,
        nonce=nonce,
        amount=amount_glm,
        raw_transaction=signed.raw,
        tx_hash=signed.tx_hash,
        reason="signed and stored",
        deadline_at=now + SETTLE_WITHIN,
        retry_at=now + RESEND_AFTER,
        **fields,
    )
    transfer(
        key=f"payout:{payment.id}",
        kind=TransferKind.PAYOUT,
        debit=source,
        credit=house_account(AccountKind.IN_FLIGHT),
        amount_glm=amount_glm,
        reference=f"payment:{payment.id}",
    )
    return payment


def _next_nonce(chain: Chain) -> int:
    used = Payment.objects.filter(chain_id=chain.chain_id, sender=treasury_address())
    last = used.aggregate(last=Max("nonce"))["last"]
    return 0 if last is None else last + 1
