"""Stuck transactions: signed again with the same nonce and the same call, offering more for gas.

All attempts are watched; whichever a block takes, the others can never happen, so nobody is paid twice. Each
is stored before it is sent. The fee stays below HIVE_MAX_FEE_GWEI, and the tip in it below HIVE_MAX_TIP_GWEI,
whatever the market asks.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.billing.chain.calls import Fees, most_gas
from apps.billing.chain.client import Chain, ChainRefused
from apps.billing.treasury.fees import WEI_PER_GWEI, is_starved, raised
from apps.billing.treasury.models import Payment
from apps.billing.treasury.paying import SETTLEMENT, bounds, store_attempt
from apps.billing.treasury.signers import treasury_signer
from apps.billing.treasury.transactions import UNSENT, Attempt, Transaction, TransactionState
from apps.billing.treasury.vetting import vet_again
from apps.teams.audit import Actor, AuditLine

log = logging.getLogger("hive.settlement")


def replace_if_stuck(chain: Chain, waiting: Transaction, *, is_refused: bool = False) -> Attempt | None:
    """Sign it again if no block took it in time; the caller knows that none has it now.

    `is_refused`: nodes do not even keep it, for what it offers.
    """
    last = waiting.newest
    if timezone.now() < last.at + timedelta(seconds=settings.HIVE_REPLACE_AFTER_S):
        return None
    market = chain.fees()
    is_starving = is_refused or is_starved(last.gas, market)
    if not is_starving and not _had_its_chance(chain, waiting):
        return None
    reason = f"no block took it within {settings.HIVE_REPLACE_AFTER_S:g} s"
    return sign_again(chain, waiting, last, market=market, actor=SETTLEMENT, reason=reason)


@transaction.atomic
def sign_again(
    chain: Chain, waiting: Transaction, last: Attempt, *, market: Fees, actor: Actor, reason: str
) -> Attempt | None:
    """Store one more attempt after `last`. None when another worker did, or more is beyond the limit.

    Raises MustNotBeSigned for another call than was signed first, or than pays what it pays, and what the
    signer raises.
    """
    limit = _limit(chain, waiting, last)
    current = Transaction.objects.select_for_update().filter(pk=waiting.pk, state__in=UNSENT).first()
    if current is None or current.newest != last:
        return None
    gas = raised(last.gas, market, limit=limit, most=bounds())
    if gas is None:
        _note_limit(current)
        return None
    unsigned = chain.unsigned(current.call, nonce=current.nonce, gas=gas)
    vet_again(current, unsigned, payments=_payments(current))
    signed = treasury_signer().sign(unsigned)
    made = store_attempt(current, number=last.number + 1, signed=signed, gas=gas)
    told = f"{reason}: {_told(gas.max_fee_wei)} for a unit of gas instead of {_told(last.max_fee_wei)}"
    Transaction.objects.filter(pk=current.pk).update(tx_hash=made.tx_hash, reason=told)
    AuditLine.write(current, before=current.state, after="signed again", actor=actor, reason=told)
    waiting.tx_hash, waiting.reason = made.tx_hash, told
    log.warning("%s: %s", current, told)
    return made


def _payments(current: Transaction) -> list[Payment]:
    return list(current.payments.select_related("returns").order_by("line"))


def _limit(chain: Chain, waiting: Transaction, last: Attempt) -> int:
    """Never less than before, more where the call takes more today, and not beyond what is believed at all.

    Nodes reckon with what waits: beside this very transaction its repetition may look cheap, or impossible.
    """
    try:
        today = chain.gas_of(waiting.call, sender=waiting.sender)
    except ChainRefused:
        today = 0
    return min(max(last.gas_limit, today), most_gas(waiting.call))


def _had_its_chance(chain: Chain, waiting: Transaction) -> bool:
    """A node has it, and every earlier nonce is in a block, but not its own: it does not just wait."""
    if waiting.state != TransactionState.SENT:
        return False
    return chain.nonce(waiting.sender, block=chain.height()) == waiting.nonce


def _note_limit(current: Transaction) -> None:
    most, most_tip = settings.HIVE_MAX_FEE_GWEI, settings.HIVE_MAX_TIP_GWEI
    limits = f"HIVE_MAX_FEE_GWEI ({most}) or HIVE_MAX_TIP_GWEI ({most_tip})"
    told = f"waits for fees to fall: more than {limits} is asked"
    if current.reason != told:
        Transaction.objects.filter(pk=current.pk).update(reason=told)
        log.error("%s: %s", current, told)


def _told(wei: int) -> str:
    return f"{wei / WEI_PER_GWEI:.9g} gwei"
