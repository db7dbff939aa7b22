"""Deposits from a wallet nobody had claimed: credited once it is known whose they are, or sent back."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from apps.billing.chain.client import ChainRefused, ChainUnreachable, chain
from apps.billing.chain.deposits import deposit_key, event_of
from apps.billing.chain.models import ChainTransfer, ChainTransferState
from apps.billing.ledger.accounts import AccountKind, Transfer, TransferKind
from apps.billing.ledger.posting import house_account, transfer
from apps.billing.treasury.large import unasked
from apps.billing.treasury.models import Payment, PaymentPurpose, PaymentState
from apps.billing.treasury.paying import Readiness, make_ready, sign_and_store, wait_in_line
from apps.billing.treasury.sending import push_payment
from apps.billing.wallets.models import Wallet
from apps.money import plain
from apps.teams.audit import Actor, AuditLine


@transaction.atomic
def credit_stray_deposit(deposit: ChainTransfer, *, actor: Actor, reason: str) -> Transfer:
    """Move what of it lies in suspense to the budget of its sender's wallet, which was registered since.

    Only what is final: no reorganisation takes it back any more. Raises ValueError for anything else.
    """
    stray = _in_suspense(deposit)
    wallet = (
        Wallet.objects.select_related("budget__available", "team").filter(address=deposit.paid_by).first()
    )
    if wallet is None:
        raise ValueError(
            f"{deposit.paid_by} is no team's wallet: ask the sender's team to prove it, then credit it"
        )
    if ChainTransfer.objects.filter(pk=deposit.pk, wallet=None).update(wallet=wallet) != 1:
        raise ValueError("it was credited already")
    deposit.wallet = wallet
    before, told = f"in {AccountKind.SUSPENSE}", f"{plain(stray.amount)} GLM to {wallet.budget}: {reason}"
    AuditLine.write(deposit, before=before, after="credited", actor=actor, reason=told)
    return transfer(
        key=f"{stray.key}:credited",
        kind=TransferKind.DEPOSIT,
        debit=stray.credit,
        credit=wallet.budget.available,
        amount_glm=stray.amount,
        reference=event_of(deposit),
    )


def return_stray_deposit(deposit: ChainTransfer, *, actor: Actor, reason: str) -> Payment:
    """Send what of it lies in suspense back to the address it came from; the Hive bears the gas.

    An exchange's address serves many: ask the exchange before. Only what is final, and once, unless the
    payment failed. Raises ValueError for anything else, and when the chain would not take it now.
    """
    if settings.HIVE_MULTI_TRANSFER and deposit.paid_by == settings.HIVE_MULTI_TRANSFER:
        raise ValueError("it came through the MultiTransfer contract, which would keep it: ask who paid")
    with transaction.atomic():
        waiting = _in_suspense(deposit)
    try:
        ready = make_ready(chain(), recipient=deposit.paid_by, amount_glm=waiting.amount)
        payment = _return(deposit, ready, actor=actor, reason=reason)
    except (ChainRefused, ChainUnreachable) as trouble:
        raise ValueError(f"it can't be sent now: {trouble}") from None
    push_payment(ready.chain, payment)
    return payment


@transaction.atomic
def _return(deposit: ChainTransfer, ready: Readiness, *, actor: Actor, reason: str) -> Payment:
    wait_in_line()
    stray = _in_suspense(deposit)
    to_the_same = Payment.objects.filter(purpose=PaymentPurpose.RETURN, recipient=deposit.paid_by)
    payment = sign_and_store(
        ready,
        source=stray.credit,
        recipient=deposit.paid_by,
        amount_glm=stray.amount,
        unasked_glm=unasked(to_the_same),
        purpose=PaymentPurpose.RETURN,
        returns=deposit,
        actor=actor,
    )
    told = f"{plain(stray.amount)} GLM to {deposit.paid_by}: {reason}"
    before = f"in {AccountKind.SUSPENSE}"
    AuditLine.write(deposit, before=before, after="returned", actor=actor, reason=told)
    return payment


def _in_suspense(deposit: ChainTransfer) -> Transfer:
    """The entry that put it there; the deposit's row is locked, so that one operator at a time decides.

    Raises ValueError when it is not there any more, or may still leave the chain.
    """
    if deposit.state != ChainTransferState.FINAL:
        raise ValueError(f"it is {deposit.get_state_display().lower()}: it must be final first")
    current = ChainTransfer.objects.select_for_update().get(pk=deposit.pk)
    entry = Transfer.objects.select_related("credit").filter(
        key=deposit_key(deposit), credit=house_account(AccountKind.SUSPENSE)
    )
    stray = entry.first()
    if stray is None:
        raise ValueError("nothing of it lies in suspense")
    if current.wallet_id is not None:
        raise ValueError("it was credited already")
    if current.returned_by.exclude(state=PaymentState.FAILED).exists():
        raise ValueError("it was returned already")
    return stray
