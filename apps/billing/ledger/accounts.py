"""The double-entry ledger: accounts, and immutable transfers between two of them.

A transfer moves one positive amount from its debit to its credit account, so it sums to zero by its shape.
Guarded accounts carry a balance that only a database trigger writes, under a CHECK that it is never negative;
the others (treasury, fees, taxes, suspense) are sums of their transfers and so are never a hot row.
Source of the shape: TigerBeetle's data model, https://docs.tigerbeetle.com/coding/data-modeling/
"""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import F, Q

from apps.money import ZERO, GlmField, plain
from apps.nodes.models import Node
from apps.teams.models import Team


class AccountKind(models.TextChoices):
    TREASURY = "treasury", "Treasury on chain"
    """GLM in the Hive's wallet; negative by as much as lies there, since all else is owed from it."""
    AVAILABLE = "available", "Budget, available"
    """What a team may still spend. Guarded."""
    HELD = "held", "Budget, held"
    """Reserved for leases in force. Guarded."""
    PAYABLE = "payable", "Payable to a node"
    """Earned by a node and not yet on its way. Guarded."""
    IN_FLIGHT = "in_flight", "Payouts in flight"
    """Sent to nodes, not yet final on the chain. Guarded."""
    FEES = "fees", "Fees"
    """The Hive's own share."""
    TAXES = "taxes", "Taxes"
    """Taken with invoices for the tax office."""
    SUSPENSE = "suspense", "Suspense"
    """Came in from a wallet nobody has claimed."""


GUARDED_KINDS = frozenset(
    {AccountKind.AVAILABLE, AccountKind.HELD, AccountKind.PAYABLE, AccountKind.IN_FLIGHT}
)


class Account(models.Model):
    """Something that has a balance: credits less debits, in GLM."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=12, choices=AccountKind.choices)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="accounts")
    node = models.ForeignKey(Node, null=True, blank=True, on_delete=models.PROTECT, related_name="accounts")
    guarded_balance = GlmField(
        null=True, blank=True, editable=False, help_text="Kept by the database, for guarded accounts alone."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.CheckConstraint(name="account_guarded_not_negative", condition=Q(guarded_balance__gte=0)),
            models.CheckConstraint(
                name="account_balance_kept_for_guarded_kinds",
                condition=Q(kind__in=sorted(GUARDED_KINDS), guarded_balance__isnull=False)
                | (~Q(kind__in=sorted(GUARDED_KINDS)) & Q(guarded_balance=None)),
            ),
            models.UniqueConstraint(
                fields=("kind",), condition=Q(team=None, node=None), name="account_one_of_a_kind_of_the_house"
            ),
            models.UniqueConstraint(
                fields=("kind", "node"), condition=Q(team=None), name="account_one_of_a_kind_per_node"
            ),
        )

    def __str__(self) -> str:
        owner = self.team or self.node or "the Hive"
        return f"{self.get_kind_display()} of {owner}"

    @classmethod
    def new(cls, kind: str, *, team: Team | None = None, node: Node | None = None) -> Self:
        """An unsaved account; a guarded one starts at zero, as the database demands."""
        return cls(kind=kind, team=team, node=node, guarded_balance=ZERO if kind in GUARDED_KINDS else None)

    @property
    def is_guarded(self) -> bool:
        return self.kind in GUARDED_KINDS


class TransferKind(models.TextChoices):
    DEPOSIT = "deposit", "Deposit"
    """treasury -> available (or suspense): GLM came in. suspense -> available: its owner is found."""
    HOLD = "hold", "Hold"
    """available -> held."""
    RELEASE = "release", "Release"
    """held -> available."""
    USAGE = "usage", "Usage posted"
    """held -> payable (or fees): rated usage is paid from its hold."""
    PAYOUT = "payout", "Payout sent"
    """payable -> in flight. So go withdrawals (available ->) and returns of stray deposits (suspense ->)."""
    SETTLEMENT = "settlement", "Payout final"
    """in flight -> treasury: GLM left on the chain."""
    TAX = "tax", "Tax"
    """available -> taxes: what an invoice asks on top of what was used."""
    CREDIT = "credit", "Credit note"
    """fees (or taxes) -> available: a part of an invoice is taken back."""
    CONCESSION = "concession", "Granted in a dispute"
    """fees -> payable: the Hive pays a node more than was rated."""
    COUNTER = "counter", "Counter-entry"
    """Undoes an earlier transfer, named in `undoes`."""


EARNED = (TransferKind.USAGE, TransferKind.CONCESSION)
"""By which a node earns, where they credit what is payable to it."""


class Transfer(models.Model):
    """One movement of money; never changed, never deleted (a trigger sees to it)."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(
        max_length=120, unique=True, help_text="Idempotency: the same key moves money once."
    )
    kind = models.CharField(max_length=12, choices=TransferKind.choices)
    debit = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="debits")
    credit = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="credits")
    amount = GlmField()
    reference = models.CharField(
        max_length=120, blank=True, help_text="The noun behind it: hold:…, usage:…, payment:…"
    )
    undoes = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by"
    )
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(name="transfer_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(name="transfer_between_two_accounts", condition=~Q(debit=F("credit"))),
        )

    def __str__(self) -> str:
        return f"{self.kind} {plain(self.amount)} GLM"
