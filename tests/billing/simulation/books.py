"""The books as text: all that money did, and nothing that chance or the faster worker decides.

Random ids are replaced by what they stand for; nonces, gas and hashes of transactions are left out, since two
workers share them out as it comes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.db.models import Model, QuerySet

from apps.billing.ledger.accounts import GLM
from apps.billing.ledger.posting import balance
from apps.billing.models import (
    Account,
    ChainTransfer,
    CreditNote,
    DebitNote,
    Dispute,
    Hold,
    Invoice,
    Payment,
    Transfer,
    UsageRecord,
    Withdrawal,
)
from apps.money import plain

USAGE = ("sequence", "hash", "state", "billed_running_ms", "billed_cpu_ms", "billed_egress_bytes", "cost_glm")
INVOICE = ("number", "team__slug", "net_glm", "tax_glm", "paid_glm", "credited_net_glm", "state", "lines")


def books(*, with_times: bool = True, with_gas: bool = True) -> str:
    """Equal for two runs that moved the same money, byte by byte; `with_times`: at the same instants.

    Without gas it is GLM alone: what is sent late, or again, may cost more gas, and never more GLM.
    """
    currencies = {} if with_gas else {"currency": GLM}
    entries = Transfer.objects.filter(**{f"debit__{name}": value for name, value in currencies.items()})
    tables = {
        "transfers": map(_transfer, entries.select_related(*_SIDES, "undoes")),
        "balances": (
            {"account": _name(each), "glm": plain(balance(each))} for each in _accounts().filter(**currencies)
        ),
        "holds": Hold.objects.values("reference", "state", "amount", "posted"),
        "usage": UsageRecord.objects.values("agreement__demand__reference", *USAGE, "reduced_because"),
        "notes": DebitNote.objects.values(
            "agreement__demand__reference", "sequence", "amount", "amount_accepted", "state"
        ),
        "disputes": Dispute.objects.values(
            "agreement__demand__reference", "state", "asked_glm", "rated_glm", "granted_glm"
        ),
        "invoices": Invoice.objects.values(*INVOICE, "issued_at"),
        "credits": CreditNote.objects.values("number", "net_glm", "tax_glm", "issued_at"),
        "payments": Payment.objects.values("purpose", "recipient", "amount", "state"),
        "withdrawals": Withdrawal.objects.values("budget__team__slug", "amount", "state"),
        "chain": ChainTransfer.objects.values("sender", "recipient", "amount", "state"),
    }
    lines = {name: _sorted(rows, with_times=with_times) for name, rows in tables.items()}
    return json.dumps(lines, indent=1, ensure_ascii=False)


def _sorted(rows: Iterable[dict[str, Any]], *, with_times: bool) -> list[str]:
    at = frozenset() if with_times else frozenset({"at", "issued_at"})
    told = ({name: value for name, value in row.items() if name not in at} for row in rows)
    return sorted(json.dumps(each, default=str, ensure_ascii=False) for each in told)


_SIDES = ("debit__team", "debit__node", "credit__team", "credit__node")


def _accounts() -> QuerySet[Account]:
    return Account.objects.select_related("team", "node")


def _transfer(each: Transfer) -> dict[str, Any]:
    return {
        "at": each.at,
        "kind": each.kind,
        "debit": _name(each.debit),
        "credit": _name(each.credit),
        "glm": plain(each.amount),
        "about": each.reference.split(":")[0],
        "undoes": each.undoes and each.undoes.kind,
    }


def _name(account: Account) -> str:
    owner: Model | None = account.team or account.node
    return f"{account.kind} of {owner.pk if account.node else owner or 'the Hive'}"  # type: ignore[union-attr]
