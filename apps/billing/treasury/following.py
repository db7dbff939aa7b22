"""What becomes of a transaction, and of the payments it carries: told by the watcher and by who sends it."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from apps.billing.ledger.accounts import Account, AccountKind, Transfer, TransferKind
from apps.billing.ledger.posting import house_account, post_all, undo
from apps.billing.providers.covering import mark_paid_notes
from apps.billing.providers.models import DebitNote, DebitNoteState
from apps.billing.treasury.models import Payment, PaymentState
from apps.billing.treasury.paying import SETTLE_WITHIN, SETTLEMENT
from apps.billing.treasury.transactions import Transaction, TransactionState
from apps.billing.treasury.vetting import payout_key
from apps.billing.wallets.withdrawal_models import Withdrawal, WithdrawalState


@transaction.atomic
def note_sent(sent: Transaction) -> None:
    _move(sent, TransactionState.SENT, reason="the chain has it, no block yet")


@transaction.atomic
def confirm_transaction(seen: Transaction, *, tx_hash: str, block_number: int) -> None:
    """One of its attempts, the one with this hash, is deep enough to count on."""
    _move(
        seen,
        TransactionState.CONFIRMED,
        reason=f"in block {block_number}",
        tx_hash=tx_hash,
        block_number=block_number,
    )


@transaction.atomic
def finish_transaction(done: Transaction) -> None:
    """No reorganisation undoes it any more: its payments are settled."""
    reason = f"final in block {done.block_number}"
    done.move_to(TransactionState.FINAL, actor=SETTLEMENT, reason=reason)
    payments = Payment.move_all(_payments(done), PaymentState.FINAL, actor=SETTLEMENT, reason=reason)
    in_flight, treasury = house_account(AccountKind.IN_FLIGHT), house_account(AccountKind.TREASURY)
    post_all([_settlement(payment, in_flight, treasury) for payment in payments])
    for node_id in _with_notes(payments):
        mark_paid_notes(node_id=node_id)
    _move_withdrawals(payments, WithdrawalState.PAID, reason=reason)


@transaction.atomic
def back_to_sent(lost: Transaction, *, reason: str) -> None:
    """Its block is gone: it is sent again at once."""
    now = timezone.now()
    if lost.state == TransactionState.CONFIRMED:
        _move(lost, TransactionState.SENT, reason=reason, block_number=None, retry_at=now)
    else:
        Transaction.objects.filter(pk=lost.pk).update(retry_at=now)


@transaction.atomic
def fail_transaction(
    failed: Transaction, *, reason: str, tx_hash: str = "", block_number: int | None = None
) -> None:
    """It can never happen any more, or did nothing: each payment's amount is back where it was.

    Where a block has it, its number and the hash of the attempt say which.
    """
    failed.move_to(
        TransactionState.FAILED,
        actor=SETTLEMENT,
        reason=reason,
        tx_hash=tx_hash or failed.tx_hash,
        block_number=block_number,
    )
    for payment in _payments(failed):
        fail_payment(payment, reason=reason)


@transaction.atomic
def fail_payment(payment: Payment, *, reason: str) -> None:
    """It can never happen any more: the amount is back where it was."""
    payment.move_to(PaymentState.FAILED, actor=SETTLEMENT, reason=reason)
    if reserved := Transfer.objects.filter(key=payout_key(payment)).first():
        undo(reserved, key=f"{payout_key(payment)}:undone")
    payment.debit_notes.update(payment=None)
    _move_withdrawals([payment], WithdrawalState.FAILED, reason=f"{reason}: the amount is back in the budget")


def _move(moved: Transaction, state: str, *, reason: str, **changes: object) -> None:
    """The transaction, and what it carries with it."""
    deadline_at = timezone.now() + SETTLE_WITHIN
    moved.move_to(state, actor=SETTLEMENT, reason=reason, deadline_at=deadline_at, **changes)
    Payment.move_all(_payments(moved), state, actor=SETTLEMENT, reason=reason, deadline_at=deadline_at)


def _payments(of: Transaction) -> list[Payment]:
    """In the order of its lines, each knowing the transaction as it stands now."""
    found = list(Payment.objects.filter(transaction=of).order_by("line"))
    for payment in found:
        payment.transaction = of
    return found


def _settlement(payment: Payment, in_flight: Account, treasury: Account) -> Transfer:
    """The ledger says that the GLM left."""
    return Transfer(
        key=f"settlement:{payment.id}",
        kind=TransferKind.SETTLEMENT,
        debit=in_flight,
        credit=treasury,
        amount=payment.amount,
        reference=f"payment:{payment.id}",
    )


def _with_notes(payments: Sequence[Payment]) -> list[str]:
    """The nodes among those paid whose notes may be covered now."""
    nodes = [payment.node_id for payment in payments if payment.node_id]
    accepted = DebitNote.objects.filter(state=DebitNoteState.ACCEPTED, agreement__node__in=nodes)
    return list(accepted.order_by().values_list("agreement__node", flat=True).distinct())


def _move_withdrawals(payments: Sequence[Payment], state: str, *, reason: str) -> None:
    for withdrawal in Withdrawal.objects.select_related("budget", "proof").filter(payment__in=payments):
        withdrawal.move_to(state, actor=SETTLEMENT, reason=reason)
