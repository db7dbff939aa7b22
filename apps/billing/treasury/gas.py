"""Gas: what each of the treasury's transactions cost in the chain's coin, booked once when it is final.

Failed transactions cost gas as well. What operators send the treasury to pay it with comes without an event
that could be watched, so it is found by reckoning: what the wallet has at a final block, and what was spent
by then, is what was brought in.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import cast

from django.conf import settings
from django.db import transaction
from django.db.models import Min, Sum
from django.utils import timezone

from apps.billing.chain.client import Chain, ChainRefused, ChainUnreachable, chain
from apps.billing.ledger.accounts import Account, AccountKind, Transfer, TransferKind
from apps.billing.ledger.posting import balance, house_account, transfer
from apps.billing.treasury.signers import treasury_address
from apps.billing.treasury.transactions import Transaction, TransactionState
from apps.locks import only_one
from apps.money import ZERO, plain
from apps.teams.audit import Actor, AuditLine
from apps.teams.notices.notifying import notify_operators

log = logging.getLogger("hive.settlement")

GAS = Actor.queen("gas")
LOW, ENOUGH = "low", "enough"
POSTED_AT_ONCE = 200
LATELY = timedelta(days=1)
_OVER = (TransactionState.FINAL, TransactionState.FAILED)


def coin_account(kind: str) -> Account:
    """The Hive's account of this kind in the coin of the chain that the settings name."""
    return house_account(kind, currency=settings.HIVE_COIN)


def post_gas(chain: Chain) -> int:
    """Book what the transactions cost that are over since. Returns how many. Safe to repeat.

    The newest first: nodes may not tell of old ones any more. Raises ChainUnreachable.
    """
    over = Transaction.objects.filter(chain_id=chain.chain_id, state__in=_OVER, gas_coin=None)
    return sum(_post(chain, each) for each in over.order_by("-nonce")[:POSTED_AT_ONCE])


def _post(chain: Chain, done: Transaction) -> bool:
    try:
        cost = _cost(chain, done)
    except ChainRefused as refusal:
        log.warning("%s: what it cost is not booked yet: %s", done, refusal)
        return False
    return cost is not None and _book(done, cost)


def _cost(chain: Chain, done: Transaction) -> Decimal | None:
    """None while no receipt tells."""
    if done.block_number is None:
        return ZERO  # another transaction used its nonce: no block ever had it
    receipt = chain.receipt(done.tx_hash)
    return receipt.gas_coin if receipt else None


@transaction.atomic
def _book(done: Transaction, cost: Decimal) -> bool:
    if Transaction.objects.filter(pk=done.pk, gas_coin=None).update(gas_coin=cost) != 1:
        return False  # another worker was faster
    if cost:
        transfer(
            key=f"gas:{done.id}",
            kind=TransferKind.GAS,
            debit=coin_account(AccountKind.GAS),
            credit=coin_account(AccountKind.TREASURY),
            amount_glm=cost,
            reference=f"transaction:{done.id}",
        )
    return True


@dataclass(frozen=True, slots=True)
class GasBook:
    """The chain's coin by the books, as far as the chain is final. No node is asked."""

    coin: str
    brought_in_coin: Decimal
    spent_coin: Decimal
    spent_lately_coin: Decimal
    """Booked within the last 24 hours."""

    @property
    def left_coin(self) -> Decimal:
        return self.brought_in_coin - self.spent_coin

    @property
    def is_known(self) -> bool:
        """What was brought in is found at a final block: before, nothing can be told of what is left."""
        return bool(self.brought_in_coin)

    @property
    def reckoned(self) -> str:
        """When what is left is found out, for people."""
        every_s = cast(float, settings.CELERY_BEAT_SCHEDULE["billing.check_coin"]["schedule"])
        return f"reckoned every {every_s // 60:.0f} minutes, from a block that is final"

    @property
    def is_low(self) -> bool:
        return self.is_known and self.left_coin < settings.HIVE_GAS_LOW


def gas_book() -> GasBook:
    gas = coin_account(AccountKind.GAS)
    lately = Transfer.objects.filter(debit=gas, at__gt=timezone.now() - LATELY)
    return GasBook(
        coin=settings.HIVE_COIN,
        brought_in_coin=balance(coin_account(AccountKind.FUNDING)),
        spent_coin=-balance(gas),
        spent_lately_coin=lately.aggregate(all=Sum("amount"))["all"] or ZERO,
    )


# -- what is left -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CoinStanding:
    """The treasury's coin at a final block, as the chain has it and as the books reckon it."""

    block_number: int
    chain_coin: Decimal
    brought_in_coin: Decimal
    """By all fundings before."""
    spent_coin: Decimal
    """As gas by the transactions of that block and those before."""
    foreign: int
    """How many of the treasury's transactions since our first one are none of ours."""

    @property
    def difference_coin(self) -> Decimal:
        """Above zero: brought in since. Below: it left in a way that the books do not know."""
        return self.chain_coin - (self.brought_in_coin - self.spent_coin)


def check_coin() -> None:
    """Book what was brought in, and tell operators when too little is left or some is missing."""
    if not settings.HIVE_GLM_TOKEN:
        return
    with only_one("billing.check_coin") as mine:
        if mine:
            try:
                _check(chain())
            except (ChainUnreachable, ChainRefused) as trouble:
                log.warning("how much %s is left can't be asked: %s", settings.HIVE_COIN, trouble)


def _check(chain: Chain) -> None:
    height = chain.height()
    standing = coin_standing(chain, block=max(height - settings.HIVE_FINALITY + 1, 0))
    if standing is not None:
        _settle(chain, standing)
    _tell_how_much(chain.balance_coin(treasury_address(), block=height))


def coin_standing(chain: Chain, *, block: int) -> CoinStanding | None:
    """None while the gas of a transaction up to this block is not booked: then nothing can be told.

    Raises ChainUnreachable and ChainRefused.
    """
    treasury = treasury_address()
    sent = chain.nonce(treasury, block=block)
    ours = Transaction.objects.filter(chain_id=chain.chain_id, sender=treasury, nonce__lt=sent)
    if ours.filter(gas_coin=None).exists():
        return None
    told = ours.aggregate(spent=Sum("gas_coin"), first=Min("nonce"))
    funded = Transfer.objects.filter(kind=TransferKind.FUNDING, reference=_wallet(chain))
    return CoinStanding(
        block_number=block,
        chain_coin=chain.balance_coin(treasury, block=block),
        brought_in_coin=funded.aggregate(all=Sum("amount"))["all"] or ZERO,
        spent_coin=told["spent"] or ZERO,
        foreign=0
        if told["first"] is None
        else sent - told["first"] - ours.exclude(block_number=None).count(),
    )


def _settle(chain: Chain, standing: CoinStanding) -> None:
    """Book what came; tell of what is missing, once for each amount."""
    difference = standing.difference_coin
    if difference > ZERO:
        transfer(
            key=f"funding:{_wallet(chain)}:{standing.block_number}",
            kind=TransferKind.FUNDING,
            debit=coin_account(AccountKind.TREASURY),
            credit=coin_account(AccountKind.FUNDING),
            amount_glm=difference,
            reference=_wallet(chain),
        )
    elif difference < ZERO:
        missing = f"{plain(-difference)} {settings.HIVE_COIN}"
        notify_operators(
            kind="treasury.coin_missing",
            subject=f"{missing} left the treasury unexplained",
            text=(
                f"At block {standing.block_number} the treasury {treasury_address()} has {missing} less than "
                f"was brought in and not spent as gas by the Hive; {standing.foreign} of its transactions "
                "were not signed by the Hive. If you moved it, all is well; if not, somebody has the key."
            ),
            data={"missing_coin": -difference, "coin": settings.HIVE_COIN, "foreign": standing.foreign},
            key=f"coin-missing:{_wallet(chain)}:{plain(-difference)}",
        )


@transaction.atomic
def _tell_how_much(left: Decimal) -> None:
    """One audit line, and one mail, each time that it gets low; a line when it is enough again."""
    account = coin_account(AccountKind.TREASURY)
    lines = AuditLine.objects.filter(noun="account", noun_id=str(account.pk), actor=str(GAS))
    last = lines.first()
    before = last.after if last else ENOUGH
    after = LOW if left < settings.HIVE_GAS_LOW else ENOUGH
    if after == before:
        return
    told = f"{plain(left)} {settings.HIVE_COIN} left, HIVE_GAS_LOW is {plain(settings.HIVE_GAS_LOW)}"
    AuditLine.write(account, before=before, after=after, actor=GAS, reason=told)
    if after == LOW:
        notify_operators(
            kind="treasury.gas_low",
            subject=f"The treasury runs out of {settings.HIVE_COIN} for gas",
            text=f"{told}. Without gas nothing is paid out: send some {settings.HIVE_COIN} to "
            f"{treasury_address()} on chain {settings.HIVE_CHAIN_ID}.",
            data={"left_coin": left, "coin": settings.HIVE_COIN},
        )


def _wallet(chain: Chain) -> str:
    return f"wallet:{chain.chain_id}:{treasury_address()}"
