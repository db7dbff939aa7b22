"""Deposits that lie in suspense: nobody has proven the wallet that they came from, and nobody has decided."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Cast, Concat

from apps.billing.chain.models import ChainTransfer, ChainTransferState
from apps.billing.ledger.accounts import AccountKind, Transfer
from apps.billing.ledger.posting import house_account
from apps.billing.treasury.models import Payment, PaymentState

_THERE = (ChainTransferState.CONFIRMED, ChainTransferState.FINAL)


def in_suspense() -> QuerySet[ChainTransfer]:
    """Neither credited nor on the way back; `suspended_glm` is what of each lies there."""
    key = Concat(Value("deposit:"), Cast(OuterRef("pk"), TextField()), output_field=TextField())
    entry = Transfer.objects.filter(key=key, credit=house_account(AccountKind.SUSPENSE))
    going_back = Payment.objects.filter(returns=OuterRef("pk")).exclude(state=PaymentState.FAILED)
    strangers = ChainTransfer.objects.filter(state__in=_THERE, wallet=None, payment=None, transaction=None)
    told = strangers.annotate(suspended_glm=Subquery(entry.order_by().values("amount")[:1]))
    return told.filter(~Exists(going_back), suspended_glm__isnull=False)
