"""Does the chain agree with the ledger? Each transfer has its entry, and the balances are equal."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import connection
from django.db.models import Max, QuerySet, Sum

from apps.billing.chain.client import chain
from apps.billing.chain.models import ChainBlock, ChainTransfer, ChainTransferState
from apps.billing.ledger.accounts import AccountKind
from apps.billing.ledger.posting import balance, house_account
from apps.billing.treasury.models import Payment, PaymentState
from apps.billing.treasury.signers import treasury_address
from apps.money import ZERO


@dataclass(frozen=True)
class Reconciliation:
    """As of the newest block that was read; amounts in GLM."""

    matched: int
    """Transfers on the chain that the ledger knows by their own entries."""
    unmatched: int
    """Transfers on the chain without an entry, and entries without a transfer."""
    chain_balance_glm: Decimal
    ledger_balance_glm: Decimal
    pending_glm: Decimal
    """On the chain, but not deep enough to be in the ledger: what came in less what went out."""

    @property
    def difference_glm(self) -> Decimal:
        return self.chain_balance_glm - self.ledger_balance_glm - self.pending_glm

    @property
    def agrees(self) -> bool:
        return self.unmatched == 0 and self.difference_glm == ZERO


# Each transfer on the chain beside what the ledger has for it: a deposit's own entries that nobody undid, or
# the payment that it is, or all of a batch that its contract was given in one.
_UNMATCHED = """
    SELECT event.id FROM billing_chaintransfer AS event
    LEFT JOIN billing_transfer AS credited ON credited.key = 'deposit:' || event.id
        AND NOT EXISTS (SELECT FROM billing_transfer AS undo WHERE undo.undoes_id = credited.id)
    LEFT JOIN billing_transfer AS repaid ON repaid.key = 'deposit:' || event.id || ':repaid'
        AND NOT EXISTS (SELECT FROM billing_transfer AS undo WHERE undo.undoes_id = repaid.id)
    LEFT JOIN billing_payment AS payment ON payment.id = event.payment_id
    LEFT JOIN billing_transaction AS batch ON batch.id = event.transaction_id
        AND batch.kind = 'indirect' AND batch.contract = event.recipient
    WHERE event.chain_id = %(chain)s AND event.state IN ('confirmed', 'final')
        AND event.amount IS DISTINCT FROM CASE
            WHEN event.recipient = %(treasury)s AND event.sender <> event.recipient THEN
                coalesce(credited.amount, 0) + coalesce(repaid.amount, 0)
            WHEN batch.id IS NOT NULL AND payment.id IS NULL THEN
                (SELECT sum(line.amount) FROM billing_payment AS line WHERE line.transaction_id = batch.id)
            ELSE payment.amount END
"""


def reconcile() -> Reconciliation:
    """Compare chain and ledger. Raises ChainUnreachable."""
    live = ChainTransfer.objects.filter(chain_id=settings.HIVE_CHAIN_ID).exclude(
        state=ChainTransferState.REVERTED
    )
    acted_on = live.filter(state__in=[ChainTransferState.CONFIRMED, ChainTransferState.FINAL]).count()
    unmatched = len(unmatched_events())
    settled = Payment.objects.filter(chain_id=settings.HIVE_CHAIN_ID, state=PaymentState.FINAL)
    missing = settled.exclude(chain_transfers__state=ChainTransferState.FINAL).count()
    newest = ChainBlock.objects.filter(chain_id=settings.HIVE_CHAIN_ID).aggregate(number=Max("number"))[
        "number"
    ]
    return Reconciliation(
        matched=acted_on - unmatched,
        unmatched=unmatched + missing,
        chain_balance_glm=chain().balance_glm(treasury_address(), block=newest),
        ledger_balance_glm=-balance(house_account(AccountKind.TREASURY)),
        pending_glm=_coming(live) - _leaving(live),
    )


def unmatched_events() -> list[int]:
    """The keys of the transfers on the chain that the ledger has no entry, or another amount, for."""
    with connection.cursor() as cursor:
        cursor.execute(_UNMATCHED, {"chain": settings.HIVE_CHAIN_ID, "treasury": treasury_address()})
        return [pk for (pk,) in cursor.fetchall()]


def _coming(live: QuerySet[ChainTransfer]) -> Decimal:
    """Deposits that are seen and not yet credited."""
    seen = live.filter(recipient=treasury_address(), state=ChainTransferState.SEEN)
    return seen.aggregate(all=Sum("amount"))["all"] or ZERO


def _leaving(live: QuerySet[ChainTransfer]) -> Decimal:
    """Payouts that a block has and the ledger does not yet call final."""
    not_final = live.filter(sender=treasury_address()).exclude(state=ChainTransferState.FINAL)
    return not_final.aggregate(all=Sum("amount"))["all"] or ZERO
