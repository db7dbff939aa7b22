"""Once a day, for each of the Hive's wallets: the chain's balance is the ledger's, or here is why not.

As of the newest block that the watcher has read. What is under way explains a difference, and so do moves
between the Hive's own wallets; whatever is left flags the day, and the operators are told.
"""

from __future__ import annotations

import logging
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet, Sum
from django.utils import timezone

from apps.billing.chain.client import Chain, ChainRefused, ChainUnreachable, chain
from apps.billing.chain.daily_proofs import DailyProof
from apps.billing.chain.models import ChainBlock, ChainTransfer, ChainTransferState
from apps.billing.chain.reconciliation import (
    coming_to,
    leaving_from,
    live_transfers,
    settled_unseen,
    sum_of,
    unmatched_events,
)
from apps.billing.chain.treasuries import treasuries
from apps.billing.ledger.accounts import AccountKind
from apps.billing.ledger.instant import one_instant
from apps.billing.ledger.posting import balance, house_account
from apps.billing.treasury.transactions import Transaction
from apps.locks import only_one
from apps.money import ZERO, plain
from apps.teams.notices.notifying import notify_operators

log = logging.getLogger("hive.billing")

NAMED = 20
"""Events that a line of explanation names; the rest are counted."""


@dataclass
class Side:
    """What a wallet's proof is made of; amounts in GLM."""

    wallet: str
    chain_balance: Decimal
    ledger_balance: Decimal
    coming: Decimal = ZERO
    leaving: Decimal = ZERO
    moved: Decimal = ZERO
    unmatched: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def unexplained(self) -> Decimal:
        return self.chain_balance - self.ledger_balance - self.coming + self.leaving - self.moved

    @property
    def is_flagged(self) -> bool:
        return bool(self.unexplained or self.unmatched)


def prove_day() -> list[DailyProof]:
    """The day's proof, unless it was made already; the first one of a day stands. Returns what was made.

    Where the chain can't be asked there is none: the next hour tries again, and a day without one shows.
    """
    if not settings.HIVE_GLM_TOKEN:
        return []
    with only_one("billing.prove_day") as mine:
        today = timezone.now().date()
        if not mine or DailyProof.objects.filter(day=today, chain_id=settings.HIVE_CHAIN_ID).exists():
            return []
        try:
            return _prove(chain(), today)
        except (ChainUnreachable, ChainRefused) as trouble:
            log.warning("the day is not proven: %s", trouble)
            return []


def _prove(chain: Chain, today: date) -> list[DailyProof]:
    block = ChainBlock.objects.filter(chain_id=chain.chain_id).order_by("-number").first()
    if block is None:
        return []
    balances = {wallet: chain.balance_glm(wallet, block=block.number) for wallet in treasuries()}
    house_account(AccountKind.TREASURY)  # opened before: an instant sees nobody else's
    with one_instant():
        # A block read, or taken back, meanwhile would make two instants of one: the next hour tries again.
        newest = ChainBlock.objects.filter(chain_id=chain.chain_id).order_by("-number").first()
        if newest is None or newest.hash != block.hash:
            return []
        made = [_store(side, block, today) for side in _sides(balances)]
        for proof in made:
            if proof.is_flagged:
                _tell(proof)
    return made


def _sides(balances: dict[str, Decimal]) -> list[Side]:
    """The current wallet's ledger is what no other wallet's is: nothing can fall between them."""
    current, *others = balances
    ledgers = {wallet: _ledger_of(wallet) for wallet in others}
    total = -balance(house_account(AccountKind.TREASURY))
    ledgers[current] = total - sum(ledgers.values(), ZERO)
    sides = [Side(wallet, balances[wallet], ledgers[wallet]) for wallet in balances]
    unmatched = list(ChainTransfer.objects.filter(pk__in=unmatched_events()))
    for side in sides:
        _explain(side)
        elsewhere = balances.keys() - {side.wallet} if side is sides[0] else None
        _flag(side, [each for each in unmatched if _concerns(side.wallet, each, elsewhere)])
    _miss(sides[0])
    return sides


def _concerns(wallet: str, each: ChainTransfer, others: Set[str] | None) -> bool:
    """The current wallet, for which `others` are told, is also asked for what passed through a contract."""
    ends = {each.sender, each.recipient}
    return wallet in ends if others is None else not ends & others


def _explain(side: Side) -> None:
    coming, leaving = coming_to([side.wallet]), leaving_from([side.wallet])
    own = live_transfers().filter(sender__in=treasuries(), recipient__in=treasuries())
    side.coming, side.leaving = sum_of(coming), sum_of(leaving)
    side.moved = sum_of(own.filter(recipient=side.wallet)) - sum_of(own.filter(sender=side.wallet))
    _line(side, "came in, not deep enough to be credited", side.coming, coming)
    _line(side, "went out, not deep enough to be final", -side.leaving, leaving)
    _line(side, "moved between the Hive's own wallets", side.moved, own)
    lost = ChainTransfer.objects.filter(chain_id=settings.HIVE_CHAIN_ID, state=ChainTransferState.REVERTED)
    today = lost.filter(state_since__date=timezone.now().date(), recipient=side.wallet)
    if today.exists():
        _line(side, "reverted today: counter-entries undid what they caused", ZERO, today)
    _gas(side)


def _gas(side: Side) -> None:
    """It is no difference of GLM, and everybody asks."""
    sent = Transaction.objects.filter(chain_id=settings.HIVE_CHAIN_ID, sender=side.wallet)
    spent = sent.aggregate(all=Sum("gas_coin"))["all"]
    if spent:
        told = f"gas is paid in {settings.HIVE_COIN}, not in GLM: {plain(spent)} so far"
        side.lines.append({"what": told, "amount_glm": "0", "events": []})


def _flag(side: Side, unmatched: list[ChainTransfer]) -> None:
    side.unmatched += len(unmatched)
    if unmatched:
        told = f"the ledger has no entry, or another amount, for {len(unmatched)} transfers of the chain"
        names = [each.tx_hash for each in unmatched[:NAMED]]
        side.lines.append({"what": told, "amount_glm": plain(side.unexplained), "events": names})
    elif side.unexplained:
        told = "nothing that the Hive knows of explains this"
        side.lines.append({"what": told, "amount_glm": plain(side.unexplained), "events": []})


def _miss(side: Side) -> None:
    """Of the current wallet: what the ledger calls paid was paid from somewhere."""
    missing = settled_unseen()
    if missing:
        side.unmatched += missing
        told = f"{missing} payments are final in the ledger and no transfer on the chain"
        side.lines.append({"what": told, "amount_glm": "", "events": []})


def _line(side: Side, what: str, amount: Decimal, events: QuerySet[ChainTransfer]) -> None:
    count = events.count()
    if count:
        names = list(events.values_list("tx_hash", flat=True)[:NAMED])
        told = f"{what} ({count} transfer{'s' if count > 1 else ''})"
        side.lines.append({"what": told, "amount_glm": plain(amount), "events": names})


# What the ledger has for one wallet: deposits into it that stand, less payments out of it that are settled.
_LEDGER = """
    SELECT coalesce((
        SELECT sum(entry.amount) FROM billing_chaintransfer AS event
        JOIN billing_transfer AS entry
            ON entry.key IN ('deposit:' || event.id, 'deposit:' || event.id || ':repaid')
        WHERE event.chain_id = %(chain)s AND event.recipient = %(wallet)s AND event.state <> 'reverted'
            AND NOT EXISTS (SELECT FROM billing_transfer AS undo WHERE undo.undoes_id = entry.id)
    ), 0) - coalesce((
        SELECT sum(entry.amount) FROM billing_transaction AS sent
        JOIN billing_payment AS payment ON payment.transaction_id = sent.id
        JOIN billing_transfer AS entry ON entry.key = 'settlement:' || payment.id
        WHERE sent.chain_id = %(chain)s AND sent.sender = %(wallet)s
    ), 0)
"""


def _ledger_of(wallet: str) -> Decimal:
    with connection.cursor() as cursor:
        cursor.execute(_LEDGER, {"chain": settings.HIVE_CHAIN_ID, "wallet": wallet})
        return Decimal(cursor.fetchone()[0])


def _store(side: Side, block: ChainBlock, today: date) -> DailyProof:
    return DailyProof.objects.create(
        day=today,
        chain_id=settings.HIVE_CHAIN_ID,
        wallet=side.wallet,
        block_number=block.number,
        block_hash=block.hash,
        chain_balance=side.chain_balance,
        ledger_balance=side.ledger_balance,
        coming=side.coming,
        leaving=side.leaving,
        moved=side.moved,
        unexplained=side.unexplained,
        unmatched=side.unmatched,
        is_flagged=side.is_flagged,
        lines=side.lines,
    )


def _tell(proof: DailyProof) -> None:
    told = "\n".join(f"- {line['what']} {line['amount_glm']}".rstrip() for line in proof.lines)
    log.error("the proof of %s is flagged for %s", proof.day, proof.wallet)
    notify_operators(
        kind="proof.flagged",
        subject=f"The treasury's proof of {proof.day} is flagged",
        text=(
            f"{proof.wallet} has {plain(proof.chain_balance)} GLM on chain {proof.chain_id} at block "
            f"{proof.block_number}, {plain(proof.ledger_balance)} GLM in the ledger.\n\n{told}\n"
        ),
        data={"day": proof.day.isoformat(), "wallet": proof.wallet},
    )
