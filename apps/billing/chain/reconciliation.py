"""Does the chain agree with the ledger? Each transfer has its entry, and the balances are equal."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db.models import Max, QuerySet, Sum

from apps.billing.chain.client import chain
from apps.billing.chain.depth import deposit_key, is_deposit
from apps.billing.chain.models import ChainBlock, ChainTransfer, ChainTransferState
from apps.billing.ledger.accounts import AccountKind, Transfer
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


def reconcile() -> Reconciliation:
    """Compare chain and ledger. Raises ChainUnreachable."""
    live = ChainTransfer.objects.filter(chain_id=settings.HIVE_CHAIN_ID).exclude(
        state=ChainTransferState.REVERTED
    )
    acted_on = live.filter(state__in=[ChainTransferState.CONFIRMED, ChainTransferState.FINAL])
    found = [_has_entry(each) for each in acted_on.select_related("payment")]
    settled = Payment.objects.filter(chain_id=settings.HIVE_CHAIN_ID, state=PaymentState.FINAL)
    missing = settled.exclude(chain_transfers__state=ChainTransferState.FINAL).count()
    newest = ChainBlock.objects.filter(chain_id=settings.HIVE_CHAIN_ID).aggregate(number=Max("number"))[
        "number"
    ]
    return Reconciliation(
        matched=sum(found),
        unmatched=len(found) - sum(found) + missing,
        chain_balance_glm=chain().balance_glm(treasury_address(), block=newest),
        ledger_balance_glm=-balance(house_account(AccountKind.TREASURY)),
        pending_glm=_coming(live) - _leaving(live),
    )


def _has_entry(each: ChainTransfer) -> bool:
    if is_deposit(each):
        key = deposit_key(each)
        posted = Transfer.objects.filter(key__in=[key, f"{key}:repaid"], undone_by=None)
        return posted.aggregate(all=Sum("amount"))["all"] == each.amount
    return each.payment is not None and each.payment.amount == each.amount


def _coming(live: QuerySet[ChainTransfer]) -> Decimal:
    """Deposits that are seen and not yet credited."""
    seen = live.filter(recipient=treasury_address(), state=ChainTransferState.SEEN)
    return seen.aggregate(all=Sum("amount"))["all"] or ZERO


def _leaving(live: QuerySet[ChainTransfer]) -> Decimal:
    """Payouts that a block has and the ledger does not yet call final."""
    not_final = live.filter(sender=treasury_address()).exclude(state=ChainTransferState.FINAL)
    return not_final.aggregate(all=Sum("amount"))["all"] or ZERO
