"""The signing door: what is signed is reserved, approved where it is large, and pays exactly that.

PostgreSQL refuses most of the rest too (billing 0034, 0035); what it can't know, the limit in the settings
and the call itself, is looked at here alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from apps.billing.chain.calls import Call, approve_call
from apps.billing.chain.client import ChainRefused
from apps.billing.ledger.accounts import Account, AccountKind, Transfer, TransferKind
from apps.billing.treasury.calling import call_over, lines_of
from apps.billing.treasury.large import OPERATORS_NEEDED, approvers, is_large
from apps.billing.treasury.models import Payment, PaymentPurpose
from apps.billing.treasury.transactions import TransactionKind
from apps.billing.wallets.models import WalletProof
from apps.money import ZERO, plain


class MustNotBeSigned(ChainRefused):
    """The treasury does not sign this; the text says why. Who pays treats it as a chain that would not."""


def payout_key(payment: Payment) -> str:
    """Of the entry that reserves its money."""
    return f"payout:{payment.id}"


def vet(call: Call, *, kind: str, payments: Sequence[Payment]) -> None:
    """Raises MustNotBeSigned unless this call pays these payments, and may."""
    if kind == TransactionKind.ALLOWANCE:
        expected = approve_call(settings.HIVE_GLM_TOKEN, spender=settings.HIVE_MULTI_TRANSFER)
    elif payments:
        expected = call_over(kind, lines_of(payments))
    else:
        raise MustNotBeSigned("it pays nothing that is known of")
    if call.data != expected.data:
        raise MustNotBeSigned("its call is not that of what it pays")
    must_be_reserved(payments)
    _must_be_approved(payments)


def must_be_reserved(payments: Sequence[Payment]) -> None:
    """Raises MustNotBeSigned for the first one whose money is not in flight."""
    keys = [payout_key(payment) for payment in payments]
    found = Transfer.objects.filter(key__in=keys, kind=TransferKind.PAYOUT, undone_by=None)
    entries = {entry.key: entry for entry in found.select_related("debit", "credit")}
    for payment in payments:
        if not _reserves(entries.get(payout_key(payment)), payment):
            raise MustNotBeSigned(f"{payment}: no entry {payout_key(payment)} has reserved its money")


def _reserves(entry: Transfer | None, payment: Payment) -> bool:
    if entry is None or entry.amount != payment.amount or entry.credit.kind != AccountKind.IN_FLIGHT:
        return False
    return _pays(entry.debit, payment)


def _pays(source: Account, payment: Payment) -> bool:
    """Whether it is this account that pays what goes to this recipient."""
    match payment.purpose:
        case PaymentPurpose.PAYOUT:
            ends = {source.node_id, payment.node_id}
            return source.kind == AccountKind.PAYABLE and ends == {payment.recipient}
        case PaymentPurpose.WITHDRAWAL:
            proofs = WalletProof.objects.filter(team=source.team_id, address=payment.recipient)
            return source.kind == AccountKind.AVAILABLE and proofs.exclude(signature="").exists()
    stray = payment.returns
    return (
        source.kind == AccountKind.SUSPENSE
        and stray is not None
        and payment.amount <= stray.amount
        and stray.paid_by == payment.recipient
    )


def _must_be_approved(payments: Sequence[Payment]) -> None:
    """Each that asked for it, and all that leaves the treasury with this signature, by today's limit."""
    without = ZERO
    for payment in payments:
        counted = len(approvers(payment)) if payment.approvals_needed else 0
        if counted < payment.approvals_needed:
            raise MustNotBeSigned(f"{payment}: {counted} of {payment.approvals_needed} operators approved it")
        without += payment.amount if counted < OPERATORS_NEEDED else ZERO
    limit = settings.HIVE_APPROVAL_ABOVE_GLM
    if limit is not None and is_large(without, limit_glm=limit):
        told = f"{plain(without)} GLM, above {plain(limit)} GLM"
        raise MustNotBeSigned(f"{told}, were not approved by {OPERATORS_NEEDED} operators")
