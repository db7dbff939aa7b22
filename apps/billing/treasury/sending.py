"""Seeing to it that the chain has what was signed: sent again until a block has it, or it never can."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.billing.chain.answers import Receipt
from apps.billing.chain.client import Chain, ChainRefused, ChainUnreachable, chain
from apps.billing.chain.models import ChainBlock, ChainTransfer, ChainTransferState
from apps.billing.treasury.following import (
    confirm_transaction,
    fail_transaction,
    finish_transaction,
    note_sent,
)
from apps.billing.treasury.models import Payment
from apps.billing.treasury.paying import RESEND_AFTER
from apps.billing.treasury.replacing import replace_if_stuck, sign_again
from apps.billing.treasury.signers import SignerUnreachable
from apps.billing.treasury.transactions import UNSENT, Attempt, Transaction, TransactionKind, TransactionState
from apps.teams.audit import Actor, AuditLine
from apps.teams.states import StaleState

log = logging.getLogger("hive.settlement")


def resend_due(chain: Chain) -> int:
    """Send again what no block has yet and is due for it, in the order of nonces. Returns how many.

    So is an allowance that is confirmed: its receipt alone says when it is final.
    """
    now = timezone.now()
    open_ones = Q(state__in=UNSENT) | Q(kind=TransactionKind.ALLOWANCE, state=TransactionState.CONFIRMED)
    due = Transaction.objects.filter(open_ones, chain_id=chain.chain_id, retry_at__lte=now)
    claimed = [
        each
        for each in due.order_by("nonce")
        if Transaction.objects.filter(pk=each.pk, retry_at=each.retry_at).update(retry_at=now + RESEND_AFTER)
    ]
    signer_answers = True
    for each in claimed:
        signer_answers = push_one(chain, each, may_replace=signer_answers)
    return len(claimed)


def push_one(chain: Chain, waiting: Transaction, *, may_replace: bool = True) -> bool:
    """One of many: that the chain is silent, or somebody moved it meanwhile, must not hold up the others.

    False when the signer is silent, so that it isn't waited for once for each.
    """
    try:
        push(chain, waiting, may_replace=may_replace)
    except SignerUnreachable as trouble:
        log.warning("%s: not replaced, looked at again in %d s: %s", waiting, RESEND_AFTER.seconds, trouble)
        return False
    except StaleState as news:
        log.info("%s: %s", waiting, news)
    except (ChainRefused, ChainUnreachable) as trouble:
        log.warning("%s: not sent, looked at again in %d s: %s", waiting, RESEND_AFTER.seconds, trouble)
    return may_replace


def push_payment(chain: Chain, payment: Payment) -> None:
    """Send the transaction that carries it, if there is one yet; the payment knows its state afterwards."""
    if payment.transaction is not None:
        push_one(chain, payment.transaction)
        payment.refresh_from_db()


def send_again(waiting: Transaction, *, actor: Actor, reason: str) -> None:
    """Send it now, whenever it is due. ValueError says why it was not sent; it stays in line."""
    if waiting.state not in UNSENT:
        raise ValueError(f"it is {waiting.get_state_display().lower()}: there is nothing to send")
    AuditLine.write(waiting, before=waiting.state, after="send again", actor=actor, reason=reason)
    try:
        push(chain(), waiting, may_replace=False)
    except (ChainRefused, ChainUnreachable) as trouble:
        raise ValueError(f"not sent: {trouble}") from trouble


def replace_now(waiting: Transaction, *, actor: Actor, reason: str) -> None:
    """Sign it again at a higher fee and send that, whenever it is due. ValueError says why not."""
    try:
        if waiting.state not in UNSENT or mined_attempt(chain(), waiting):
            raise ValueError("a block has it: there is nothing to replace")
        made = sign_again(chain(), waiting, waiting.newest, market=chain().fees(), actor=actor, reason=reason)
        if made is None:
            raise ValueError(f"another worker was faster, or {settings.HIVE_MAX_FEE_GWEI} gwei are too few")
        push(chain(), waiting, may_replace=False)
    except (ChainRefused, ChainUnreachable) as trouble:
        raise ValueError(f"not sent: {trouble}") from trouble


def push(chain: Chain, waiting: Transaction, *, may_replace: bool = True) -> None:
    """See to it that the chain has one of its attempts. Safe to repeat: its nonce lets it happen once.

    Raises ChainUnreachable, and ChainRefused for what the chain does not take; a transaction that it never
    will take has failed by then. Raises SignerUnreachable when it should be replaced; it is sent by then.
    """
    mined = mined_attempt(chain, waiting)
    if mined is None:
        if waiting.state in UNSENT:
            _send(chain, waiting, may_replace=may_replace)
    elif _is_final(chain, mined[1].block_number):
        _settle_by_receipt(waiting, *mined)
    else:
        _note_taken(waiting)


def _send(chain: Chain, waiting: Transaction, *, may_replace: bool) -> None:
    """First what is stored, which takes no signer; then, where no block took that in time, what replaces it.

    Raises as `push` does.
    """
    is_new = waiting.state == TransactionState.SIGNED
    refusal = _offer(chain, waiting, waiting.newest)
    if is_new and refusal is None:
        return  # blocks get their chance to take it first
    replacement = _replacement(chain, waiting, is_refused=refusal is not None) if may_replace else None
    if replacement is not None:
        refusal = _offer(chain, waiting, replacement)
    if refusal is not None:
        raise refusal


def _offer(chain: Chain, waiting: Transaction, attempt: Attempt) -> ChainRefused | None:
    """Send it. Returns the refusal of one that offers too little: another attempt can do better."""
    try:
        chain.send(attempt.raw)
    except ChainRefused as refusal:
        if not _is_known(refusal):
            _fail_if_overtaken(chain, waiting)
            if not _is_too_little(refusal):
                raise
            return refusal
    _note_taken(waiting)
    return None


def _note_taken(waiting: Transaction) -> None:
    if waiting.state == TransactionState.SIGNED:
        note_sent(waiting)


def _replacement(chain: Chain, waiting: Transaction, *, is_refused: bool) -> Attempt | None:
    """None too where it can't be signed now: what is stored was sent, and is sent again."""
    try:
        return replace_if_stuck(chain, waiting, is_refused=is_refused)
    except SignerUnreachable:
        raise
    except (ChainRefused, ChainUnreachable) as trouble:
        log.warning("%s: not replaced, looked at again in %d s: %s", waiting, RESEND_AFTER.seconds, trouble)
        return None


def mined_attempt(chain: Chain, waiting: Transaction) -> tuple[str, Receipt] | None:
    """The hash of the attempt that a block has, and its receipt; None while no block has one."""
    for tx_hash in waiting.attempts.order_by("-number").values_list("tx_hash", flat=True):
        if receipt := chain.receipt(tx_hash):
            return tx_hash, receipt
    return None


def _settle_by_receipt(waiting: Transaction, tx_hash: str, receipt: Receipt) -> None:
    """What no Transfer event will tell: that it did nothing, or only allowed something."""
    block = receipt.block_number
    if not receipt.succeeded:
        reason = f"refused by the contract in block {block}"
        fail_transaction(waiting, reason=reason, tx_hash=tx_hash, block_number=block)
    elif waiting.kind == TransactionKind.ALLOWANCE:
        _finish_allowance(waiting, tx_hash, block_number=block)


@transaction.atomic
def _finish_allowance(allowed: Transaction, tx_hash: str, *, block_number: int) -> None:
    """Both or neither: no event would ever take it from confirmed to final."""
    if allowed.state != TransactionState.CONFIRMED:
        confirm_transaction(allowed, tx_hash=tx_hash, block_number=block_number)
    finish_transaction(allowed)


def _is_known(refusal: ChainRefused) -> bool:
    """Was it refused because the chain has it already, or an attempt of it that offers as much?"""
    words = ("already known", "already imported", "replacement transaction underpriced")
    return any(each in str(refusal).lower() for each in words)


def _is_too_little(refusal: ChainRefused) -> bool:
    """Was it refused for the fee that it offers? In the words of geth, Besu, Nethermind and anvil."""
    words = ("underpriced", "less than block base fee", "below configured minimum gas price", "feetoolow")
    return any(each in str(refusal).lower() for each in words)


def _fail_if_overtaken(chain: Chain, waiting: Transaction) -> None:
    """A transaction whose nonce is gone for good can never happen.

    That no node knows a receipt proves nothing: some forget them. So the blocks that would have it are read.
    """
    final_height = max(chain.height() - settings.HIVE_FINALITY + 1, 0)
    if chain.nonce(waiting.sender, block=final_height) <= waiting.nonce:
        return
    if _may_have_happened(waiting, by=final_height) or mined_attempt(chain, waiting):
        return
    chain.identify()
    fail_transaction(waiting, reason=f"nonce {waiting.nonce} was used by another transaction")


def _may_have_happened(waiting: Transaction, *, by: int) -> bool:
    """Whether blocks up to this one have its Transfer events, or the watcher has not read so far."""
    if not ChainBlock.objects.filter(chain_id=waiting.chain_id, number__gte=by).exists():
        return True
    events = ChainTransfer.objects.exclude(state=ChainTransferState.REVERTED)
    return events.filter(chain_id=waiting.chain_id, tx_hash__in=waiting.attempts.values("tx_hash")).exists()


def _is_final(chain: Chain, block_number: int) -> bool:
    return chain.height() - block_number + 1 >= settings.HIVE_FINALITY
