"""Payouts: one ERC-20 transfer per node; and what becomes of each payment that was signed and stored.

The payment, its entry payable -> in flight and the raw transaction are one database transaction. Whatever
dies after it, the stored transaction is sent again until a block has it; its nonce lets it happen once.
"""

from __future__ import annotations

import logging
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.billing.chain.client import Chain, ChainRefused, ChainUnreachable, chain
from apps.billing.ledger.accounts import Account, AccountKind, Transfer, TransferKind
from apps.billing.ledger.posting import balance, house_account, transfer, undo
from apps.billing.providers.covering import mark_paid_notes
from apps.billing.providers.models import DebitNote, DebitNoteState
from apps.billing.treasury.models import Payment, PaymentState
from apps.billing.treasury.paying import (
    RESEND_AFTER,
    SETTLE_WITHIN,
    Readiness,
    make_ready,
    sign_and_store,
    wait_in_line,
)
from apps.billing.wallets.withdrawal_models import Withdrawal, WithdrawalState
from apps.money import ZERO, plain
from apps.teams.audit import Actor, AuditLine
from apps.teams.states import StaleState

log = logging.getLogger("hive.settlement")

SETTLEMENT = Actor.queen("settlement")
UNSENT = (PaymentState.SIGNED, PaymentState.SENT)


def pay_providers(*, minimum_glm: Decimal) -> list[Payment]:
    """Pay each node what is payable to it, if it is `minimum_glm` or more. Returns the payments made.

    A node that can't be paid (the treasury lacks GLM or gas, the chain does not answer) is left for the next
    time, with a line in the log.
    """
    if not settings.HIVE_GLM_TOKEN:
        return []
    owed = Account.objects.filter(
        kind=AccountKind.PAYABLE, guarded_balance__gt=ZERO, guarded_balance__gte=minimum_glm
    )
    made = [_pay(account, minimum_glm=minimum_glm) for account in owed.select_related("node").order_by("pk")]
    return [payment for payment in made if payment is not None]


def _pay(account: Account, *, minimum_glm: Decimal) -> Payment | None:
    try:
        payment = _sign(chain(), account, minimum_glm=minimum_glm)
    except (ChainRefused, ChainUnreachable) as trouble:
        log.warning("%s GLM are not paid to %s: %s", plain(balance(account)), account.node_id, trouble)
        return None
    if payment is not None:
        push_one(chain(), payment)
    return payment


def _sign(chain: Chain, account: Account, *, minimum_glm: Decimal) -> Payment | None:
    recipient = str(account.node_id)
    ready = make_ready(chain, recipient=recipient, amount_glm=balance(account))
    with transaction.atomic():
        wait_in_line()
        amount = balance(account)
        if amount == ZERO or amount < minimum_glm:
            return None  # another worker was faster
        return _store(ready, account, recipient, amount)


def _store(ready: Readiness, account: Account, recipient: str, amount: Decimal) -> Payment:
    payment = sign_and_store(ready, source=account, recipient=recipient, amount_glm=amount, node_id=recipient)
    notes = DebitNote.objects.filter(agreement__node=recipient, state=DebitNoteState.ACCEPTED, payment=None)
    notes.update(payment=payment)
    return payment


# -- sending ----------------------------------------------------------------------------------------------


def resend_due(chain: Chain) -> int:
    """Send again what no block has yet and is due for it, in the order of nonces. Returns how many."""
    now = timezone.now()
    due = Payment.objects.filter(chain_id=chain.chain_id, state__in=UNSENT, retry_at__lte=now).order_by(
        "nonce"
    )
    claimed = [
        payment
        for payment in due
        if Payment.objects.filter(pk=payment.pk, retry_at=payment.retry_at).update(
            retry_at=now + RESEND_AFTER
        )
    ]
    for payment in claimed:
        push_one(chain, payment)
    return len(claimed)


def push_one(chain: Chain, payment: Payment) -> None:
    """One of many: that the chain is silent, or somebody moved it meanwhile, must not hold up the others."""
    try:
        push(chain, payment)
    except StaleState as news:
        log.info("%s: %s", payment, news)
    except (ChainRefused, ChainUnreachable) as trouble:
        log.warning("%s: not sent, looked at again in %d s: %s", payment, RESEND_AFTER.seconds, trouble)


def send_again(payment: Payment, *, actor: Actor, reason: str) -> None:
    """Send it now, whenever it is due. ValueError says why it was not sent; it stays in line."""
    if payment.state not in UNSENT:
        raise ValueError(f"it is {payment.get_state_display().lower()}: there is nothing to send")
    AuditLine.write(payment, before=payment.state, after="send again", actor=actor, reason=reason)
    try:
        push(chain(), payment)
    except (ChainRefused, ChainUnreachable) as trouble:
        raise ValueError(f"not sent: {trouble}") from trouble


def push(chain: Chain, payment: Payment) -> None:
    """See to it that the chain has the transaction. Safe to repeat: it is the same transaction every time.

    Raises ChainUnreachable, and ChainRefused for what the chain does not take; a payment that it never will
    take has failed by then.
    """
    try:
        receipt = chain.receipt(payment.tx_hash)
        if receipt is None:
            chain.send(payment.raw_transaction)
        elif not receipt.succeeded and _is_final(chain, receipt.block_number):
            fail_payment(payment, reason=f"refused by the token in block {receipt.block_number}")
            return
    except ChainRefused as refusal:
        if not _is_known(refusal):
            _fail_if_overtaken(chain, payment)
            raise
    if payment.state == PaymentState.SIGNED:
        payment.move_to(
            PaymentState.SENT,
            actor=SETTLEMENT,
            reason="the chain has it, no block yet",
            deadline_at=timezone.now() + SETTLE_WITHIN,
        )


def _is_known(refusal: ChainRefused) -> bool:
    """Was it refused because the chain has it already?"""
    return any(words in str(refusal).lower() for words in ("already known", "already imported"))


def _fail_if_overtaken(chain: Chain, payment: Payment) -> None:
    """A payment whose nonce is gone for good can never happen."""
    final_height = max(chain.height() - settings.HIVE_FINALITY + 1, 0)
    nonce_is_gone = chain.nonce(payment.sender, block=final_height) > payment.nonce
    if nonce_is_gone and chain.receipt(payment.tx_hash) is None:
        fail_payment(payment, reason=f"nonce {payment.nonce} was used by another transaction")


def _is_final(chain: Chain, block_number: int) -> bool:
    return chain.height() - block_number + 1 >= settings.HIVE_FINALITY


# -- what the watcher tells -------------------------------------------------------------------------------


def confirm_payment(payment: Payment, *, block_number: int) -> None:
    payment.move_to(
        PaymentState.CONFIRMED,
        actor=SETTLEMENT,
        reason=f"in block {block_number}",
        deadline_at=timezone.now() + SETTLE_WITHIN,
        block_number=block_number,
    )


@transaction.atomic
def finish_payment(payment: Payment) -> None:
    """It is final: the ledger says that the GLM left, and debit notes that are covered now are paid."""
    payment.move_to(PaymentState.FINAL, actor=SETTLEMENT, reason=f"final in block {payment.block_number}")
    transfer(
        key=f"settlement:{payment.id}",
        kind=TransferKind.SETTLEMENT,
        debit=house_account(AccountKind.IN_FLIGHT),
        credit=house_account(AccountKind.TREASURY),
        amount_glm=payment.amount,
        reference=f"payment:{payment.id}",
    )
    if payment.node_id is not None:
        mark_paid_notes(node_id=payment.node_id)
    _move_withdrawal(payment, WithdrawalState.PAID, reason=payment.reason)


def back_to_sent(payment: Payment, *, reason: str) -> None:
    """Its block is gone: it is sent again at once."""
    now = timezone.now()
    if payment.state == PaymentState.CONFIRMED:
        payment.move_to(
            PaymentState.SENT,
            actor=SETTLEMENT,
            reason=reason,
            deadline_at=now + SETTLE_WITHIN,
            block_number=None,
            retry_at=now,
        )
    else:
        Payment.objects.filter(pk=payment.pk).update(retry_at=now)


@transaction.atomic
def fail_payment(payment: Payment, *, reason: str) -> None:
    """It can never happen any more: the amount is back where it was."""
    payment.move_to(PaymentState.FAILED, actor=SETTLEMENT, reason=reason)
    undo(Transfer.objects.get(key=f"payout:{payment.id}"), key=f"payout:{payment.id}:undone")
    payment.debit_notes.update(payment=None)
    _move_withdrawal(payment, WithdrawalState.FAILED, reason=f"{reason}: the amount is back in the budget")


def _move_withdrawal(payment: Payment, state: str, *, reason: str) -> None:
    for withdrawal in Withdrawal.objects.select_related("budget", "proof").filter(payment=payment):
        withdrawal.move_to(state, actor=SETTLEMENT, reason=reason)
