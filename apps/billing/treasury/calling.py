"""The call that pays: what each kind of transaction asks of which contract, for the lines it carries."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from apps.billing.chain.calls import Call, Line, direct_call, indirect_call, transfer_call
from apps.billing.treasury.models import Payment
from apps.billing.treasury.transactions import TransactionKind


def call_over(kind: str, lines: Sequence[Line]) -> Call:
    """What is asked of which contract to pay these lines in this way."""
    match kind:
        case TransactionKind.DIRECT:
            return direct_call(settings.HIVE_MULTI_TRANSFER, lines)
        case TransactionKind.INDIRECT:
            return indirect_call(settings.HIVE_MULTI_TRANSFER, lines)
    [line] = lines
    return transfer_call(settings.HIVE_GLM_TOKEN, recipient=line.recipient, amount_glm=line.amount_glm)


def lines_of(payments: Sequence[Payment]) -> list[Line]:
    return [Line(payment.recipient, payment.amount) for payment in payments]
