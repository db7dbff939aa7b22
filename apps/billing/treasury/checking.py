"""Is what is in flight what the payments say? Asked with the hourly proof of the books."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, Max, Sum
from django.utils import timezone

from apps.billing.chain.models import ChainBlock
from apps.billing.ledger.accounts import AccountKind
from apps.billing.ledger.posting import balance, house_account
from apps.billing.treasury.models import Payment, PaymentState
from apps.billing.treasury.transactions import TransactionState
from apps.money import ZERO, plain

_OVER = (PaymentState.FINAL, PaymentState.FAILED)

# What `billing_payment_is_reserved` says of one payment (billing 0035), for all there ever were in one pass.
_UNRESERVED = """
    SELECT payment.id, payment.amount, payment.state FROM billing_payment AS payment
    LEFT JOIN billing_transfer AS entry ON entry.key = 'payout:' || payment.id
        AND entry.kind = 'payout' AND entry.amount = payment.amount
    LEFT JOIN billing_transfer AS undo ON undo.undoes_id = entry.id
    LEFT JOIN billing_account AS source ON source.id = entry.debit_id
    LEFT JOIN billing_account AS target ON target.id = entry.credit_id
    LEFT JOIN billing_chaintransfer AS deposit ON deposit.id = payment.returns_id
    WHERE payment.state <> 'failed' AND (
        target.kind = 'in_flight' AND undo.id IS NULL AND CASE payment.purpose
            WHEN 'payout' THEN source.kind = 'payable' AND source.node_id = payment.node_id
                AND payment.recipient = payment.node_id
            WHEN 'withdrawal' THEN source.kind = 'available' AND (source.team_id, payment.recipient) IN (
                SELECT team_id, address FROM billing_walletproof WHERE signature <> ''
            )
            WHEN 'return' THEN source.kind = 'suspense' AND payment.amount <= deposit.amount
                AND coalesce(nullif(deposit.payer, ''), deposit.sender) = payment.recipient
        END
    ) IS NOT TRUE
    ORDER BY payment.created_at
"""

# Money that left for a payment and came to nothing: no settlement, no counter-entry, and nothing under way.
_LOST = """
    SELECT entry.key, entry.amount FROM billing_transfer AS entry
    LEFT JOIN billing_payment AS payment ON entry.key = 'payout:' || payment.id
    WHERE entry.kind = 'payout' AND (payment.id IS NULL OR payment.state IN ('final', 'failed'))
        AND NOT EXISTS (SELECT FROM billing_transfer AS undo WHERE undo.undoes_id = entry.id)
        AND NOT EXISTS (SELECT FROM billing_transfer AS paid WHERE paid.key = 'settlement:' || payment.id)
    ORDER BY entry.id
"""


def check_payments() -> list[str]:
    """What of the payments does not agree with the ledger, one sentence each; empty when all is well."""
    return [*_unreserved(), *_lost(), *_sum(), *_beyond_finality()]


def late_payments() -> list[str]:
    """What is in flight past its deadline: no error of the books, and somebody should look at it."""
    open_ones = Payment.objects.exclude(state__in=[*_OVER, PaymentState.WAITING])
    late = open_ones.filter(deadline_at__lt=timezone.now()).order_by("created_at")
    return [
        f"{payment} is {payment.get_state_display().lower()} since {payment.state_since:%Y-%m-%d %H:%M} UTC, "
        f"past its deadline: {payment.reason}"
        for payment in late
    ]


def _unreserved() -> Iterator[str]:
    for key, amount, state in _rows(_UNRESERVED):
        yield f"payment {key} over {plain(amount)} GLM is {state}: no entry payout:{key} reserved its money"


def _lost() -> Iterator[str]:
    for key, amount in _rows(_LOST):
        yield f"{plain(amount)} GLM are in flight by {key}, and no payment is under way with them"


def _rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def _sum() -> Iterator[str]:
    under_way = Payment.objects.exclude(state__in=_OVER).aggregate(all=Sum("amount"))["all"] or ZERO
    in_flight = balance(house_account(AccountKind.IN_FLIGHT))
    if in_flight != under_way:
        yield f"{plain(in_flight)} GLM are in flight, payments over {plain(under_way)} GLM are under way"


def _beyond_finality() -> Iterator[str]:
    """Read twice as deep as final is, so that the watcher has had its time."""
    newest = ChainBlock.objects.filter(chain_id=settings.HIVE_CHAIN_ID).aggregate(all=Max("number"))["all"]
    if newest is None:
        return
    deep = Payment.objects.filter(
        chain_id=settings.HIVE_CHAIN_ID,
        state=PaymentState.CONFIRMED,
        transaction__state=TransactionState.CONFIRMED,
        transaction__block_number__lt=newest - 2 * settings.HIVE_FINALITY,
    )
    for payment in deep.annotate(block=F("transaction__block_number")).order_by("created_at"):
        yield f"{payment} is in flight: its block {payment.block} is final, and the ledger does not say so"
