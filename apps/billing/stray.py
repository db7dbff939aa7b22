"""Deposits from a wallet nobody had claimed, once it is known whose they are: suspense -> available."""

from __future__ import annotations

from django.db import transaction

from apps.billing.chain_models import ChainTransfer, ChainTransferState, Wallet
from apps.billing.depth import deposit_key, event_of
from apps.billing.ledger import AccountKind, Transfer, TransferKind
from apps.billing.posting import house_account, transfer
from apps.money import plain
from apps.teams.audit import Actor, AuditLine


@transaction.atomic
def credit_stray_deposit(deposit: ChainTransfer, *, actor: Actor, reason: str) -> Transfer:
    """Move what of it lies in suspense to the budget of its sender's wallet, which was registered since.

    Only what is final: no reorganisation takes it back any more. Raises ValueError for anything else.
    """
    if deposit.state != ChainTransferState.FINAL:
        raise ValueError(f"it is {deposit.get_state_display().lower()}: only a final deposit can be credited")
    stray = Transfer.objects.filter(
        key=deposit_key(deposit), credit=house_account(AccountKind.SUSPENSE)
    ).first()
    if stray is None:
        raise ValueError("nothing of it lies in suspense")
    wallet = Wallet.objects.select_related("budget__available", "team").filter(address=deposit.sender).first()
    if wallet is None:
        raise ValueError(f"{deposit.sender} is no team's wallet: register it first")
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
