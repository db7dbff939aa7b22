"""Many payments in one transaction, through Golem's MultiTransfer contract (HIVE_MULTI_TRANSFER).

The contract moves the treasury's GLM, so it needs an allowance: that is a transaction of its own, sent when
the first batch is due; until a block has it, payments go out one by one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TypeVar

from django.conf import settings
from django.db import transaction

from apps.billing.chain.calls import Call, Line, approve_call
from apps.billing.chain.client import Chain, ChainRefused
from apps.billing.treasury.calling import call_over
from apps.billing.treasury.paying import Readiness, ready_for, ready_with, sign, wait_in_line
from apps.billing.treasury.sending import push_one
from apps.billing.treasury.signers import treasury_address
from apps.billing.treasury.transactions import Transaction, TransactionKind, TransactionState

log = logging.getLogger("hive.settlement")

Item = TypeVar("Item")
_OVER = (TransactionState.FINAL, TransactionState.FAILED)


def groups(items: Sequence[Item], *, at_most: int) -> Iterator[Sequence[Item]]:
    """In their order, each as large as may be."""
    return (items[start : start + at_most] for start in range(0, len(items), max(at_most, 1)))


def make_ready_together(chain: Chain, lines: Sequence[Line]) -> Readiness:
    """Ask the chain what it takes to pay all of them at once; a single one needs no contract.

    Of the contract's two ways the one that takes less gas: through the contract where recipients hold GLM
    already or are many, directly where the contract would have to be given a balance first. Raises
    ChainRefused when it can't succeed, ChainUnreachable.
    """
    if len(lines) == 1:
        return ready_for(chain, call_over(TransactionKind.TRANSFER, lines))
    treasury, kinds = treasury_address(), (TransactionKind.INDIRECT, TransactionKind.DIRECT)
    prices = {kind: chain.gas_of(call_over(kind, lines), sender=treasury) for kind in kinds}
    kind = min(kinds, key=prices.__getitem__)
    return ready_with(chain, call_over(kind, lines), gas_limit=prices[kind], kind=kind)


# -- the contract's allowance -----------------------------------------------------------------------------


def may_batch(chain: Chain, *, total_glm: Decimal) -> bool:
    """Whether the contract may move so much. If not, it is asked for, and payments go one by one meanwhile.

    Raises ChainUnreachable.
    """
    contract = settings.HIVE_MULTI_TRANSFER
    if not contract or settings.HIVE_PAYOUTS_PER_BATCH < 2:
        return False
    if chain.allowance_glm(treasury_address(), spender=contract) >= total_glm:
        return True
    try:
        asked = _ask_allowance(chain, approve_call(chain.token, spender=contract))
    except ChainRefused as trouble:
        log.warning("the contract %s gets no allowance: %s", contract, trouble)
        return False
    if asked is not None:
        log.info("the contract %s is allowed to pay in batches by %s", contract, asked)
        push_one(chain, asked)
    return False


def _ask_allowance(chain: Chain, call: Call) -> Transaction | None:
    """None when an earlier one is still on its way."""
    ready = ready_for(chain, call, kind=TransactionKind.ALLOWANCE)
    with transaction.atomic():
        wait_in_line()
        same = Transaction.objects.filter(chain_id=chain.chain_id, contract=call.to, data=call.data)
        if same.exclude(state__in=_OVER).exists():
            return None
        return sign(ready, call=call)
