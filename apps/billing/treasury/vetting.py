"""The signing door: what is signed is reserved, approved where it is large, and pays exactly that.

PostgreSQL refuses most of the rest too (billing 0034, 0035); what it can't know, the limit in the settings
and the call itself, is looked at here alone. Approvals count before the first signature: once that one is
out, another at its nonce pays nothing that it would not, and without one it holds up all later payments.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from apps.billing.chain.calls import Call, approve_call
from apps.billing.chain.client import ChainRefused
from apps.billing.treasury.calling import call_over, lines_of
from apps.billing.treasury.large import OPERATORS_NEEDED, approvers, is_large
from apps.billing.treasury.models import Payment
from apps.billing.treasury.signers import Unsigned, treasury_address, was_signed
from apps.billing.treasury.transactions import Transaction, TransactionKind
from apps.money import ZERO, plain

_RESERVED = """
    SELECT payment.* FROM billing_payment AS payment
    WHERE payment.id = ANY(%s) AND billing_payment_is_reserved(payment.*)
"""


class MustNotBeSigned(ChainRefused):
    """The treasury does not sign this; the text says why. Who pays treats it as a chain that would not."""


def payout_key(payment: Payment) -> str:
    """Of the entry that reserves its money."""
    return f"payout:{payment.id}"


def vet(call: Call, *, kind: str, payments: Sequence[Payment]) -> None:
    """Raises MustNotBeSigned unless this call pays these payments, and may: before the first signature."""
    if call != _expected(kind, payments):
        raise MustNotBeSigned("its call is not that of what it pays")
    must_be_reserved(payments)
    _must_be_approved(payments)


def vet_again(current: Transaction, unsigned: Unsigned, *, payments: Sequence[Payment]) -> None:
    """Raises MustNotBeSigned unless the treasury signed this call at this nonce before, and it still may.

    Settings and approvals may have changed since. Where its first attempt is another, or nobody signed it,
    whoever put it there may be anybody: it is vetted as if it had never been signed.
    """
    if (unsigned["chainId"], treasury_address()) != (current.chain_id, current.sender):
        raise MustNotBeSigned(
            f"its nonce is of {current.sender} on chain {current.chain_id}: both could happen"
        )
    first = current.attempts.order_by("number").first()
    if first is None or not was_signed(first.raw, unsigned, address=current.sender):
        return vet(current.call, kind=current.kind, payments=payments)
    if current.kind != TransactionKind.ALLOWANCE and current.data != _expected(current.kind, payments).data:
        raise MustNotBeSigned("its call is not that of what it pays")
    return must_be_reserved(payments)


def _expected(kind: str, payments: Sequence[Payment]) -> Call:
    """The call that pays them, or allows the contract to, as the settings are."""
    if kind == TransactionKind.ALLOWANCE:
        return approve_call(settings.HIVE_GLM_TOKEN, spender=settings.HIVE_MULTI_TRANSFER)
    if not payments:
        raise MustNotBeSigned("it pays nothing that is known of")
    return call_over(kind, lines_of(payments))


def must_be_reserved(payments: Sequence[Payment]) -> None:
    """Raises MustNotBeSigned for the first one whose money is not in flight, as PostgreSQL has it."""
    rows = Payment.objects.raw(_RESERVED, [[payment.pk for payment in payments]])
    reserved = {(row.pk, row.recipient, row.amount) for row in rows}
    for payment in payments:
        if (payment.pk, payment.recipient, payment.amount) not in reserved:
            raise MustNotBeSigned(f"{payment}: no entry {payout_key(payment)} has reserved its money")


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
