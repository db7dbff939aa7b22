"""What a transfer on the chain causes as its block gets deeper: seen -> confirmed -> final, or reverted.

Depth counts the block itself: a transfer in the newest block has one confirmation. Deposits are credited when
confirmed, payouts settled when final. Every correction is a counter-entry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from apps.billing.chain.models import ChainTransfer, ChainTransferState
from apps.billing.ledger.accounts import Account, AccountKind, Transfer, TransferKind
from apps.billing.ledger.posting import InsufficientFunds, house_account, transfer, undo
from apps.billing.treasury.following import back_to_sent, confirm_transaction, finish_transaction
from apps.billing.treasury.models import Payment
from apps.billing.treasury.signers import treasury_address
from apps.billing.treasury.transactions import UNSENT, Attempt, Transaction, TransactionState
from apps.billing.wallets.models import Wallet
from apps.money import ZERO, plain
from apps.teams.audit import Actor
from apps.teams.states import StaleState, StateError

log = logging.getLogger("hive.chain")

WATCHER = Actor.queen("watcher")
FINAL_WITHIN = timedelta(hours=1)


def deepen(*, height: int) -> None:
    """Confirm and finish what is deep enough when the chain is `height` blocks high."""
    for each in _of(ChainTransferState.SEEN, deepest=height - settings.HIVE_CONFIRMATIONS + 1):
        _one_of_many(_confirm, each)
    for each in _of(ChainTransferState.CONFIRMED, deepest=height - settings.HIVE_FINALITY + 1):
        _one_of_many(_finish, each)


def _one_of_many(deepen_one: Callable[[ChainTransfer], None], each: ChainTransfer) -> None:
    """What another worker moved first is looked at again with the next block; the others go on."""
    try:
        deepen_one(each)
    except StaleState as news:
        log.info("%s: %s", event_of(each), news)
    except StateError as trouble:
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


def deposit_key(each: ChainTransfer) -> str:
    return f"deposit:{each.pk}"


def event_of(each: ChainTransfer) -> str:
    """Its name in the ledger. In another block it may have another: logs are counted by block."""
    return f"chain:{each.tx_hash}:{each.log_index}"


def is_deposit(each: ChainTransfer) -> bool:
    return each.recipient == treasury_address() and each.sender != each.recipient


def _of(state: str, *, deepest: int) -> list[ChainTransfer]:
    found = ChainTransfer.objects.filter(
        chain_id=settings.HIVE_CHAIN_ID, state=state, block_number__lte=deepest
    )
    return list(found.select_related("wallet").order_by("block_number", "log_index"))


@transaction.atomic
def _confirm(each: ChainTransfer) -> None:
    ours = _transaction_of(each)
    each.move_to(
        ChainTransferState.CONFIRMED,
        actor=WATCHER,
        reason=f"{settings.HIVE_CONFIRMATIONS} blocks deep",
        deadline_at=timezone.now() + FINAL_WITHIN,
        wallet=Wallet.objects.select_related("budget__available").filter(address=each.paid_by).first(),
        transaction=ours,
        payment=_line_of(ours, each) if ours else None,
    )
    if is_deposit(each):
        _credit(each)
    elif ours is not None and ours.state in UNSENT:
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
        _take_back(each)
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


# -- deposits ---------------------------------------------------------------------------------------------


def _credit(each: ChainTransfer) -> None:
    """To the budget of the sender's team, or to suspense; what the Hive bore for it comes off first."""
    borne = min(_borne(each), each.amount)
    suspense = house_account(AccountKind.SUSPENSE)
    account = each.wallet.budget.available if each.wallet else suspense
    _deposit(each, f"{deposit_key(each)}:repaid", suspense, borne)
    _deposit(each, deposit_key(each), account, each.amount - borne)


def _deposit(each: ChainTransfer, key: str, account: Account, amount_glm: Decimal) -> None:
    if amount_glm:
        transfer(
            key=key,
            kind=TransferKind.DEPOSIT,
            debit=house_account(AccountKind.TREASURY),
            credit=account,
            amount_glm=amount_glm,
            reference=event_of(each),
        )


def _take_back(each: ChainTransfer) -> None:
    """Counter-entries for all that the deposit caused; what its team has spent meanwhile the Hive bears."""
    key = deposit_key(each)
    for caused in Transfer.objects.filter(key__in=[key, f"{key}:repaid"]).select_related("debit", "credit"):
        try:
            undo(caused, key=f"{caused.key}:undone")
        except InsufficientFunds as shortage:
            _bear(each, caused, left=shortage.available)


def _bear(each: ChainTransfer, caused: Transfer, *, left: Decimal) -> None:
    rest = caused.amount - left
    log.error("%s: %s GLM of a reverted deposit are spent: suspense bears them", event_of(each), plain(rest))
    parts = [
        ("undone", caused.credit, left, caused),
        ("borne", house_account(AccountKind.SUSPENSE), rest, None),
    ]
    for name, account, amount, undoes in parts:
        if amount:
            transfer(
                key=f"{caused.key}:{name}",
                kind=TransferKind.COUNTER,
                debit=account,
                credit=caused.debit,
                amount_glm=amount,
                reference=event_of(each),
                undoes=undoes,
            )


def _borne(each: ChainTransfer) -> Decimal:
    """What suspense still lacks for earlier appearances of this same event in blocks that are gone."""
    suspense = house_account(AccountKind.SUSPENSE)
    same = ChainTransfer.objects.filter(
        chain_id=each.chain_id,
        tx_hash=each.tx_hash,
        sender=each.sender,
        recipient=each.recipient,
        amount=each.amount,
    )
    names = {event_of(appearance) for appearance in same}
    out, back = (
        side.filter(reference__in=names).aggregate(all=Sum("amount"))["all"] or ZERO
        for side in (suspense.debits, suspense.credits)
    )
    return max(out - back, ZERO)
