"""What came in: credited when it is deep enough, taken back when its block is gone. In sets: there are many.

A deposit goes to the budget whose wallet sent it, a stranger's to suspense; what the Hive bore for an earlier
appearance of the same event in a lost block comes off first.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from apps.billing.chain import moving
from apps.billing.chain.models import ChainTransfer, ChainTransferState
from apps.billing.ledger.accounts import Account, AccountKind, Transfer, TransferKind
from apps.billing.ledger.entries import Entry
from apps.billing.ledger.posting import InsufficientFunds, house_account, post_entries, transfer, undo
from apps.billing.wallets.models import Wallet
from apps.money import ZERO, plain
from apps.teams.audit import Actor

log = logging.getLogger("hive.chain")

WATCHER = Actor.queen("watcher")
FINAL_WITHIN = timedelta(hours=1)


def deposit_key(each: ChainTransfer) -> str:
    return f"deposit:{each.pk}"


def event_of(each: ChainTransfer) -> str:
    """Its name in the ledger. In another block it may have another: logs are counted by block."""
    return f"chain:{each.tx_hash}:{each.log_index}"


def confirm_deposits(*, deepest: int) -> None:
    """Credit what is seen in blocks up to `deepest`, a set in each transaction."""
    while True:
        confirmed = _confirm_set(deepest)
        _tell_of_strangers([each.amount_glm for each in confirmed if each.available_id is None])
        if len(confirmed) < moving.SET:
            return


def _tell_of_strangers(amounts_glm: list[Decimal]) -> None:
    """One line for a set: each deposit has one in the audit trail."""
    if total := sum(amounts_glm, ZERO):
        count = len(amounts_glm)
        many = "a stranger's deposit lies" if count == 1 else f"{count} strangers' deposits lie"
        log.warning("%s in suspense, %s GLM: credit or return it in the admin", many, plain(total))


def finish_deposits(*, deepest: int) -> None:
    """What is confirmed in blocks up to `deepest` is final: nothing moves any more."""
    reason = f"{settings.HIVE_FINALITY} blocks deep"
    while moving.finish(deepest=deepest, actor=WATCHER, reason=reason) == moving.SET:
        pass


@transaction.atomic
def _confirm_set(deepest: int) -> list[moving.Moved]:
    confirmed = moving.confirm(
        deepest=deepest,
        actor=WATCHER,
        reason=f"{settings.HIVE_CONFIRMATIONS} blocks deep",
        deadline_at=timezone.now() + FINAL_WITHIN,
    )
    if confirmed:
        treasury, suspense = house_account(AccountKind.TREASURY), house_account(AccountKind.SUSPENSE)
        post_entries(
            [
                Entry(
                    key=f"deposit:{each.pk}",
                    kind=TransferKind.DEPOSIT,
                    debit_id=treasury.pk,
                    credit_id=each.available_id or suspense.pk,
                    amount=each.amount_glm,
                    reference=f"chain:{each.tx_hash}:{each.log_index}",
                )
                for each in confirmed
                if each.amount_glm
            ]
        )
    return confirmed


# -- those that were there before -------------------------------------------------------------------------


@transaction.atomic
def confirm_deposit(each: ChainTransfer) -> None:
    """One by itself: what the Hive bore for its earlier appearances in lost blocks comes off first."""
    each.move_to(
        ChainTransferState.CONFIRMED,
        actor=WATCHER,
        reason=f"{settings.HIVE_CONFIRMATIONS} blocks deep",
        deadline_at=timezone.now() + FINAL_WITHIN,
        wallet=Wallet.objects.select_related("budget__available").filter(address=each.paid_by).first(),
    )
    suspense = house_account(AccountKind.SUSPENSE)
    account = each.wallet.budget.available if each.wallet else suspense
    borne = min(_borne(each, suspense), each.amount)
    _deposit(each, f"{deposit_key(each)}:repaid", suspense, borne)
    _deposit(each, deposit_key(each), account, each.amount - borne)
    if each.wallet is None:
        _tell_of_strangers([each.amount - borne])


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


def _borne(each: ChainTransfer, suspense: Account) -> Decimal:
    """What suspense still lacks for earlier appearances of this same event in blocks that are gone."""
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


# -- backwards --------------------------------------------------------------------------------------------


def take_back(each: ChainTransfer) -> None:
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
