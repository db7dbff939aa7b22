"""Does the chain agree with the ledger? Each transfer has its entry, and the balances are equal."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Max, QuerySet, Sum

from apps.billing.chain.client import chain
from apps.billing.chain.models import ChainBlock, ChainTransfer, ChainTransferState
from apps.billing.chain.treasuries import treasuries
from apps.billing.ledger.accounts import AccountKind
from apps.billing.ledger.posting import balance, house_account
from apps.billing.treasury.models import Payment, PaymentState
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
# the payment that it is, or all of a batch that its contract was given in one; what failed is back in the
# books, so it is nothing that could agree.
_UNMATCHED = """
    SELECT event.id FROM billing_chaintransfer AS event
    LEFT JOIN billing_transfer AS credited ON credited.key = 'deposit:' || event.id
        AND NOT EXISTS (SELECT FROM billing_transfer AS undo WHERE undo.undoes_id = credited.id)
    LEFT JOIN billing_transfer AS repaid ON repaid.key = 'deposit:' || event.id || ':repaid'
        AND NOT EXISTS (SELECT FROM billing_transfer AS undo WHERE undo.undoes_id = repaid.id)
    LEFT JOIN billing_payment AS payment ON payment.id = event.payment_id
    LEFT JOIN billing_transaction AS batch ON batch.id = event.transaction_id
        AND batch.kind = 'indirect' AND batch.contract = event.recipient
    WHERE event.chain_id = %(chain)s AND event.state IN ('confirmed', 'final') AND event.amount > 0
        AND NOT (event.recipient = ANY(%(ours)s) AND event.sender = ANY(%(ours)s))
        AND event.amount IS DISTINCT FROM CASE
            WHEN event.recipient = ANY(%(ours)s) THEN
                coalesce(credited.amount, 0) + coalesce(repaid.amount, 0)
            WHEN batch.id IS NOT NULL AND payment.id IS NULL THEN
                (SELECT sum(line.amount) FROM billing_payment AS line
                WHERE line.transaction_id = batch.id AND line.state <> 'failed')
            WHEN payment.state <> 'failed' THEN payment.amount END
"""


def reconcile() -> Reconciliation:
    """Compare chain and ledger. Raises ChainUnreachable."""
    live, ours = live_transfers(), treasuries()
    acted_on = live.exclude(state=ChainTransferState.SEEN).count()
    unmatched = len(unmatched_events())
    blocks = ChainBlock.objects.filter(chain_id=settings.HIVE_CHAIN_ID)
    newest = blocks.aggregate(number=Max("number"))["number"]
    return Reconciliation(
        matched=acted_on - unmatched,
        unmatched=unmatched + settled_unseen(),
        chain_balance_glm=sum((chain().balance_glm(each, block=newest) for each in ours), ZERO),
        ledger_balance_glm=-balance(house_account(AccountKind.TREASURY)),
        pending_glm=sum_of(coming_to(ours)) - sum_of(leaving_from(ours)),
    )


def unmatched_events() -> list[int]:
    """The keys of the transfers on the chain that the ledger has no entry, or another amount, for."""
    said: dict[str, Any] = {"chain": settings.HIVE_CHAIN_ID, "ours": treasuries()}
    with connection.cursor() as cursor:
        cursor.execute(_UNMATCHED, said)
        return [pk for (pk,) in cursor.fetchall()]


def settled_unseen() -> int:
    """How many payments the ledger calls final that no final transfer of the chain is."""
    settled = Payment.objects.filter(chain_id=settings.HIVE_CHAIN_ID, state=PaymentState.FINAL)
    return settled.exclude(chain_transfers__state=ChainTransferState.FINAL).count()


def live_transfers() -> QuerySet[ChainTransfer]:
    """Those that are part of the chain, as far as we know."""
    ours = ChainTransfer.objects.filter(chain_id=settings.HIVE_CHAIN_ID)
    return ours.exclude(state=ChainTransferState.REVERTED)


def coming_to(wallets: list[str]) -> QuerySet[ChainTransfer]:
    """Deposits that are seen and not yet credited."""
    seen = live_transfers().filter(recipient__in=wallets, state=ChainTransferState.SEEN)
    return seen.exclude(sender__in=treasuries())


def leaving_from(wallets: list[str]) -> QuerySet[ChainTransfer]:
    """Payouts that a block has and the ledger does not yet call final."""
    not_final = live_transfers().filter(sender__in=wallets).exclude(state=ChainTransferState.FINAL)
    return not_final.exclude(recipient__in=treasuries())


def sum_of(events: QuerySet[ChainTransfer]) -> Decimal:
    return events.aggregate(all=Sum("amount"))["all"] or ZERO
