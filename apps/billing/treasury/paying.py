"""From a payment to a signed transaction, in one database transaction, before anything is sent.

Whatever it is for, it goes this way: its money is reserved (in flight) when it comes to be, a nonce lets it
happen once, and the stored transaction is sent again until a block has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from apps.billing.chain.calls import Call, Gas, transfer_call
from apps.billing.chain.client import Chain
from apps.billing.ledger.accounts import Account, AccountKind, TransferKind
from apps.billing.ledger.posting import house_account, transfer
from apps.billing.treasury.fees import WEI_PER_GWEI, Bounds, offer
from apps.billing.treasury.large import announce, approval_fields
from apps.billing.treasury.models import Payment, PaymentState
from apps.billing.treasury.signers import Signed, treasury_address, treasury_signer
from apps.billing.treasury.transactions import Attempt, Transaction, TransactionKind
from apps.billing.treasury.vetting import payout_key, vet
from apps.locks import queue_for
from apps.money import ZERO
from apps.teams.audit import Actor
from apps.teams.states import Move, StaleState, move_each

SETTLEMENT = Actor.queen("settlement")
RESEND_AFTER = timedelta(seconds=15)
SETTLE_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the chain said before the database transaction begins, of the call that is to be signed."""

    chain: Chain
    call: Call
    gas: Gas
    next_nonce: int
    kind: str = TransactionKind.TRANSFER


def make_ready(chain: Chain, *, recipient: str, amount_glm: Decimal) -> Readiness:
    """Ask the chain what a payment takes. Raises ChainRefused when it can't succeed, ChainUnreachable."""
    return ready_for(chain, transfer_call(chain.token, recipient=recipient, amount_glm=amount_glm))


def ready_for(chain: Chain, call: Call, *, kind: str = TransactionKind.TRANSFER) -> Readiness:
    """The same for any call."""
    return ready_with(chain, call, gas_limit=chain.gas_of(call, sender=treasury_address()), kind=kind)


def ready_with(chain: Chain, call: Call, *, gas_limit: int, kind: str) -> Readiness:
    """For a call that was priced already."""
    gas = offer(gas_limit, chain.fees(), most=bounds())
    # Asked before the lock: our own nonces that no block has yet are all in the database.
    return Readiness(chain, call, gas, chain.nonce(treasury_address()), kind)


def wait_in_line() -> None:
    """One transaction is signed at a time, until the end of the database's: each has its nonce."""
    queue_for("billing.nonce")


def reserve(
    *,
    chain_id: int,
    source: Account,
    recipient: str,
    amount_glm: Decimal,
    total_glm: Decimal | None = None,
    actor: Actor | None = None,
    was_turned_down: bool = False,
    unasked_glm: Decimal = ZERO,
    **fields: Any,
) -> Payment:
    """A payment that waits for a transaction to take it along, its money in flight.

    In the caller's transaction. Raises InsufficientFunds. `fields` say what it is for. Where it is large, or
    `total_glm` that is due with it is, or it is with `unasked_glm` that went the same way lately, or it was
    turned down before, it waits for operators first; `actor`, who asked for it, is none of them.
    """
    asked = approval_fields(
        total_glm or amount_glm, actor=actor, was_turned_down=was_turned_down, unasked_glm=unasked_glm
    )
    payment = Payment.objects.create(
        chain_id=chain_id,
        recipient=recipient,
        amount=amount_glm,
        **{"reason": "its money is reserved", "deadline_at": timezone.now() + SETTLE_WITHIN} | asked | fields,
    )
    transfer(
        key=payout_key(payment),
        kind=TransferKind.PAYOUT,
        debit=source,
        credit=house_account(AccountKind.IN_FLIGHT),
        amount_glm=amount_glm,
        reference=f"payment:{payment.id}",
    )
    return payment


def sign_and_store(
    ready: Readiness, *, source: Account, recipient: str, amount_glm: Decimal, **fields: Any
) -> Payment:
    """One payment with a transaction of its own, in the caller's transaction, after `wait_in_line`.

    One that has to be approved is only reserved: once it is ready, `dispatch_ready` takes it along.
    Raises InsufficientFunds, and what the signer raises.
    """
    payment = reserve(
        chain_id=ready.chain.chain_id, source=source, recipient=recipient, amount_glm=amount_glm, **fields
    )
    if payment.state == PaymentState.WAITING:
        announce([payment])
        return payment
    call = transfer_call(ready.chain.token, recipient=recipient, amount_glm=amount_glm)
    sign(ready, call=call, payments=[payment])
    return payment


def sign(ready: Readiness, *, call: Call, payments: Sequence[Payment] = ()) -> Transaction:
    """Store the signed transaction that carries these payments, in the caller's, after `wait_in_line`.

    `call` may differ in its amounts from the one that was priced. Raises MustNotBeSigned for what is not
    reserved, or not approved though it is large, and what the signer raises.
    """
    vet(call, kind=ready.kind, payments=payments)
    now, nonce = timezone.now(), max(ready.next_nonce, _next_nonce(ready.chain))
    signed = treasury_signer().sign(ready.chain.unsigned(call, nonce=nonce, gas=ready.gas))
    made = Transaction.objects.create(
        kind=ready.kind,
        chain_id=ready.chain.chain_id,
        sender=treasury_address(),
        nonce=nonce,
        contract=call.to,
        data=call.data,
        tx_hash=signed.tx_hash,
        reason="signed and stored",
        deadline_at=now + SETTLE_WITHIN,
        retry_at=now + RESEND_AFTER,
    )
    store_attempt(made, number=1, signed=signed, gas=ready.gas)
    _take_along(made, payments)
    return made


def _take_along(made: Transaction, payments: Sequence[Payment]) -> None:
    """Raises StaleState when one of them does not wait any more: then nothing is signed."""
    moves = [
        Move(
            row=payment,
            state=PaymentState.SIGNED,
            actor=SETTLEMENT,
            reason=made.reason,
            deadline_at=made.deadline_at,
            changes={"transaction": made, "line": line},
        )
        for line, payment in enumerate(payments)
    ]
    if len(move_each(moves)) < len(moves):
        raise StaleState("a payment of the batch was moved by somebody else first")


def bounds() -> Bounds:
    """What a unit of gas may cost at most."""
    return Bounds(
        fee_wei=int(settings.HIVE_MAX_FEE_GWEI * WEI_PER_GWEI),
        tip_wei=int(settings.HIVE_MAX_TIP_GWEI * WEI_PER_GWEI),
    )


def store_attempt(transaction: Transaction, *, number: int, signed: Signed, gas: Gas) -> Attempt:
    """Before it is sent: whatever dies afterwards, its hash is watched."""
    return Attempt.objects.create(
        transaction=transaction,
        number=number,
        raw=signed.raw,
        tx_hash=signed.tx_hash,
        gas_limit=gas.limit,
        max_fee_wei=gas.max_fee_wei,
        tip_wei=gas.tip_wei,
    )


def _next_nonce(chain: Chain) -> int:
    used = Transaction.objects.filter(chain_id=chain.chain_id, sender=treasury_address())
    last = used.aggregate(last=Max("nonce"))["last"]
    return 0 if last is None else last + 1
