"""What a transfer on the chain causes as its block gets deeper: seen -> confirmed -> final, or reverted.

Depth counts the block itself: a transfer in the newest block has one confirmation. Deposits are credited when
confirmed, payouts settled when final. Every correction is a counter-entry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.billing.chain.deposits import (
    FINAL_WITHIN,
    WATCHER,
    confirm_deposit,
    confirm_deposits,
    event_of,
    finish_deposits,
    take_back,
)
from apps.billing.chain.models import ChainTransfer, ChainTransferState
from apps.billing.chain.treasuries import treasuries
from apps.billing.ledger.posting import LedgerError
from apps.billing.treasury.following import back_to_sent, confirm_transaction, finish_transaction
from apps.billing.treasury.models import Payment
from apps.billing.treasury.transactions import UNSENT, Attempt, Transaction, TransactionState
from apps.teams.states import StaleState, StateError

log = logging.getLogger("hive.chain")


def deepen(*, height: int) -> None:
    """Confirm and finish what is deep enough when the chain is `height` blocks high.

    Deposits go in sets; one by one go payouts, what appeared before, and a set that has trouble in it.
    """
    deepest = height - settings.HIVE_CONFIRMATIONS + 1
    _try_set(confirm_deposits, deepest=deepest)
    for each in _of(ChainTransferState.SEEN, deepest=deepest):
        _one_of_many(_confirm, each)
    deepest = height - settings.HIVE_FINALITY + 1
    _try_set(finish_deposits, deepest=deepest)
    for each in _of(ChainTransferState.CONFIRMED, deepest=deepest):
        _one_of_many(_finish, each)


def _try_set(deepen_set: Callable[..., None], *, deepest: int) -> None:
    try:
        deepen_set(deepest=deepest)
    except LedgerError as trouble:
        log.warning("deposits can't be booked at once, they go one by one: %s", trouble)


def _one_of_many(deepen_one: Callable[[ChainTransfer], None], each: ChainTransfer) -> None:
    """What another worker moved first is looked at again with the next block; the others go on."""
    try:
        deepen_one(each)
    except StaleState as news:
        log.info("%s: %s", event_of(each), news)
    except (StateError, LedgerError) as trouble:
        log.error("%s can't be booked: %s", event_of(each), trouble)


def revert_after(block_number: int) -> None:
    """Undo what the blocks after this one caused. A final transfer stays: it is claimed and stays claimed.

    All or nothing, unlike `deepen`: blocks are only forgotten when all that they caused is undone.
    """
    lost = ChainTransfer.objects.filter(
        chain_id=settings.HIVE_CHAIN_ID,
        block_number__gt=block_number,
        state__in=[ChainTransferState.SEEN, ChainTransferState.CONFIRMED],
    )
    for each in lost.order_by("-block_number", "-log_index"):
        _revert(each)


def is_deposit(each: ChainTransfer) -> bool:
    """GLM that came from somebody else; between the Hive's own wallets nothing is owed to anybody."""
    ours = treasuries()
    return each.recipient in ours and each.sender not in ours


def _of(state: str, *, deepest: int) -> list[ChainTransfer]:
    found = ChainTransfer.objects.filter(
        chain_id=settings.HIVE_CHAIN_ID, state=state, block_number__lte=deepest
    )
    return list(found.select_related("wallet").order_by("block_number", "log_index"))


@transaction.atomic
def _confirm(each: ChainTransfer) -> None:
    if is_deposit(each):
        confirm_deposit(each)
        return
    ours = _transaction_of(each)
    each.move_to(
        ChainTransferState.CONFIRMED,
        actor=WATCHER,
        reason=f"{settings.HIVE_CONFIRMATIONS} blocks deep",
        deadline_at=timezone.now() + FINAL_WITHIN,
        transaction=ours,
        payment=_line_of(ours, each) if ours else None,
    )
    if ours is not None and ours.state in UNSENT:
        confirm_transaction(ours, tx_hash=each.tx_hash, block_number=each.block_number)


@transaction.atomic
def _finish(each: ChainTransfer) -> None:
    each.move_to(ChainTransferState.FINAL, actor=WATCHER, reason=f"{settings.HIVE_FINALITY} blocks deep")
    ours = _transaction_of(each)
    if ours is not None and ours.state == TransactionState.CONFIRMED:
        finish_transaction(ours)


def _revert(each: ChainTransfer) -> None:
    was_confirmed = each.state == ChainTransferState.CONFIRMED
    reason = f"block {each.block_number} is no longer part of the chain"
    each.move_to(ChainTransferState.REVERTED, actor=WATCHER, reason=reason)
    if was_confirmed and is_deposit(each):
        take_back(each)
    if ours := _transaction_of(each):
        back_to_sent(ours, reason=reason)


# -- payments ---------------------------------------------------------------------------------------------


def _transaction_of(each: ChainTransfer) -> Transaction | None:
    """Ours, by whichever of its attempts a block took; as it stands now: another event may have moved it."""
    attempts = Attempt.objects.filter(tx_hash=each.tx_hash, transaction__chain_id=each.chain_id)
    attempt = attempts.select_related("transaction").first()
    return attempt.transaction if attempt else None


def _line_of(ours: Transaction, each: ChainTransfer) -> Payment | None:
    """The payment that this event is: the first of its recipient and amount that no other event is."""
    lines = Payment.objects.filter(transaction=ours, recipient=each.recipient, amount=each.amount)
    live = ChainTransfer.objects.exclude(state=ChainTransferState.REVERTED).filter(payment__in=lines)
    return lines.exclude(pk__in=live.values("payment")).order_by("line").first()
