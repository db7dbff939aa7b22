"""What must be true when a month is over, held against the chain itself and against what Bees signed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.db.models import Sum

from apps.billing.budgets.cap import BudgetCap
from apps.billing.chain.proof import DIFFERENT, PROOF, prove_books
from apps.billing.chain.reconciliation import reconcile
from apps.billing.invoicing.files import as_json
from apps.billing.ledger.posting import balance, check_ledger, house_account, ledger_sum, payable_account
from apps.billing.models import (
    Account,
    AccountKind,
    CreditNote,
    Dispute,
    Hold,
    HoldState,
    Invoice,
    Payment,
    PaymentState,
    Transaction,
    TransactionState,
    UsageRecord,
    UsageState,
    Withdrawal,
    WithdrawalState,
)
from apps.billing.treasury.gas import coin_account
from apps.money import ZERO, from_wei, plain
from apps.nodes.models import Node
from apps.nodes.queen import queen_address
from apps.teams.audit import AuditLine
from hive_client.proving import Wrong, prove
from hive_portal.stack.glm import PLENTY_OF_GAS_WEI
from tests.billing.chain_of_tests import Anvil
from tests.billing.simulation.bees import Contract

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


def differences(anvil: Anvil, contracts: list[Contract]) -> list[str]:
    """What is not true, one sentence each."""
    moved = Moved(anvil)
    parts = (
        _ledger(),
        _chain(moved),
        _bees(moved),
        _withdrawals(moved),
        _usage(contracts),
        _papers(),
        _rest(),
        coin(anvil),
        _caps(),
        _proofs(),
    )
    return [told for part in parts for told in part]


class Moved:
    """What the chain itself says went into the treasury and out of it, asked past the house."""

    def __init__(self, anvil: Anvil) -> None:
        self.came, self.went = defaultdict[str, Decimal](Decimal), defaultdict[str, Decimal](Decimal)
        query = {"address": anvil.token, "topics": [TRANSFER], "fromBlock": "0x0", "toBlock": "latest"}
        logs: list[dict[str, object]] = anvil.ask("eth_getLogs", query)  # type: ignore[assignment]
        for log in logs:
            sender, recipient = ("0x" + str(topic)[-40:] for topic in log["topics"][1:])  # type: ignore[index]
            amount = from_wei(int(str(log["data"]), 16))
            if recipient == queen_address():
                self.came[sender] += amount
            elif sender == queen_address():
                self.went[recipient] += amount

    @property
    def left_glm(self) -> Decimal:
        return sum(self.came.values(), ZERO) - sum(self.went.values(), ZERO)


def _ledger() -> Iterator[str]:
    yield from check_ledger()
    if ledger_sum():
        yield f"the ledger sums to {ledger_sum()}"
    yield from prove_books()
    if not (found := reconcile()).agrees:
        yield f"reconciliation: {found}"


def _chain(moved: Moved) -> Iterator[str]:
    treasury = -balance(house_account(AccountKind.TREASURY))
    if treasury != moved.left_glm:
        yield f"the treasury has {plain(moved.left_glm)} GLM, the ledger says {plain(treasury)}"


def _bees(moved: Moved) -> Iterator[str]:
    """Each was paid what its usage was rated at and what was granted to it, once."""
    for node in Node.objects.order_by("name"):
        rated = _sum(UsageRecord.objects.filter(agreement__node=node), "cost_glm")
        granted = _granted(node)
        paid, owed = moved.went[node.pk], balance(payable_account(node))
        if rated + granted != paid + owed:
            yield f"{node}: {rated} rated and {granted} granted, {paid} paid and {owed} owed"


def _granted(node: Node) -> Decimal:
    settled = Dispute.objects.filter(agreement__node=node, state="settled").order_by(
        "agreement", "state_since"
    )
    last = {each.agreement_id: each.granted_glm for each in settled}
    return sum(last.values(), ZERO)


def _withdrawals(moved: Moved) -> Iterator[str]:
    """Whatever went to somebody who is no Bee was withdrawn, or was a stray deposit sent back."""
    nodes = set(Node.objects.values_list("pk", flat=True))
    out = sum((amount for to, amount in moved.went.items() if to not in nodes), ZERO)
    withdrawn = _sum(Withdrawal.objects.filter(state=WithdrawalState.PAID), "amount")
    returned = _sum(Payment.objects.filter(purpose="return", state=PaymentState.FINAL), "amount")
    if out != withdrawn + returned:
        yield f"{out} went to people, {withdrawn} were withdrawn and {returned} returned"


def _usage(contracts: list[Contract]) -> Iterator[str]:
    """Stored is how each Bee's chain begins, rated is all of it."""
    for contract in contracts:
        stored = list(contract.agreement.usage.order_by("sequence").values_list("hash", flat=True))
        told = [report.hash for report in contract.told]
        if stored != told[: len(stored)]:
            yield f"{contract.agreement.demand.reference}: {len(stored)} reports are not those that were sent"
        if len(stored) < len(told) and not contract.agreement.metering_faults.filter(kind="late").exists():
            yield f"{contract.agreement.demand.reference}: {len(told) - len(stored)} reports are lost"
    if waiting := UsageRecord.objects.filter(state=UsageState.RECEIVED).count():
        yield f"{waiting} reports were never rated"


def _papers() -> Iterator[str]:
    """Each proves itself offline, numbers have no gaps, and all that was used is on one invoice."""
    for paper in [*Invoice.objects.all(), *CreditNote.objects.all()]:
        try:
            prove(as_json(paper))
        except Wrong as wrong:
            yield f"{paper}: {wrong}"
    numbers = [*Invoice.objects.values_list("number", flat=True), *_credits()]
    split = sorted(re.fullmatch(r"(.*-)(\d+)", number).groups() for number in numbers)  # type: ignore[union-attr]
    for prefix, of_series in groupby(split, key=lambda each: each[0]):
        counted = [int(number) for _, number in of_series]
        if counted != list(range(1, len(counted) + 1)):
            yield f"series {prefix}: {counted}"
    invoiced, used = _sum(Invoice.objects, "net_glm"), _sum(UsageRecord.objects, "cost_glm")
    if invoiced != used:
        yield f"{used} GLM were used, {invoiced} are on invoices"


def _credits() -> list[str]:
    return list(CreditNote.objects.values_list("number", flat=True))


def _rest() -> Iterator[str]:
    """Nothing is held for what is over, nothing is on its way."""
    for hold in Hold.objects.filter(state=HoldState.HELD):
        yield f"{hold} is still held"
    for payment in Payment.objects.exclude(state__in=[PaymentState.FINAL, PaymentState.FAILED]):
        yield f"{payment} is {payment.state}: {payment.reason}"
    for account in Account.objects.filter(kind__in=[AccountKind.HELD, AccountKind.IN_FLIGHT]):
        if left := balance(account):
            yield f"{account}: {plain(left)} GLM are left"


def coin(anvil: Anvil) -> Iterator[str]:
    """No transaction is left open, and the books have its gas: all of the coin that the treasury lacks."""
    for sent in Transaction.objects.exclude(state__in=[TransactionState.FINAL, TransactionState.FAILED]):
        yield f"{sent.get_kind_display()}, {sent}, is {sent.state}: {sent.reason}"
    for sent in Transaction.objects.filter(gas_coin=None):
        yield f"{sent.get_kind_display()}, {sent}: its gas was never booked"
    left = int(str(anvil.ask("eth_getBalance", queen_address(), "latest")), 16)
    spent, booked = from_wei(PLENTY_OF_GAS_WEI - left), -balance(coin_account(AccountKind.GAS))
    if spent != booked:
        yield f"the treasury spent {plain(spent)} of its coin, {plain(booked)} are booked"


def _caps() -> Iterator[str]:
    """What a cap counts is what was spent under it, for by now nothing is held."""
    for cap in BudgetCap.objects.all():
        if cap.used_glm != (spent := _sum(cap.holds, "posted")):
            yield f"{cap} counts {plain(cap.used_glm)} GLM, {plain(spent)} were spent"


def _proofs() -> Iterator[str]:
    """Whenever the books were proven meanwhile, chain and ledger agreed."""
    for line in AuditLine.objects.filter(actor=str(PROOF), after=DIFFERENT):
        yield f"{line.at}: {line.reason}"


def _sum(rows: Any, field: str) -> Decimal:
    return rows.aggregate(all=Sum(field))["all"] or ZERO
