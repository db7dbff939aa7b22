"""The double-entry ledger: accounts, and immutable transfers between two of them.

A transfer moves one positive amount from its debit to its credit account, so it sums to zero by its shape.
Guarded accounts carry a balance that only a database trigger writes, under a CHECK that it is never negative,
but for what a team has on credit; the others (treasury, fees, suspense, ...) are sums of their transfers and
so are never a hot row. An account is kept in one currency, GLM or the coin that a chain takes for gas; a
transfer stays within one.
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

GLM = "GLM"
"""The currency of all accounts but those of gas. A chain's coin goes by its symbol: ETH, POL."""


class AccountKind(models.TextChoices):
    TREASURY = "treasury", "Treasury on chain"
    """What the Hive's wallet has; negative by as much as lies there, since all else is owed from it.
    One in GLM, one in the coin of each chain."""
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
    GAS = "gas", "Gas"
    """Spent on the treasury's transactions, in the chain's coin."""
    FUNDING = "funding", "Coin brought in"
    """What operators sent the treasury to pay gas with, in the chain's coin."""


GUARDED_KINDS = frozenset(
    {AccountKind.AVAILABLE, AccountKind.HELD, AccountKind.PAYABLE, AccountKind.IN_FLIGHT}
)
COIN_KINDS = frozenset({AccountKind.GAS, AccountKind.FUNDING})
"""Never in GLM. The treasury is kept in both, all else in GLM alone."""


class Account(models.Model):
    """Something that has a balance: credits less debits, in its currency."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=12, choices=AccountKind.choices)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="accounts")
    node = models.ForeignKey(Node, null=True, blank=True, on_delete=models.PROTECT, related_name="accounts")
    currency = models.CharField(
        max_length=8,
        default=GLM,
        db_default=GLM,
        editable=False,
        help_text="GLM, or the symbol of the coin that pays gas.",
    )
    guarded_balance = GlmField(
        null=True, blank=True, editable=False, help_text="Kept by the database, for guarded accounts alone."
    )
    credit_limit_glm = GlmField(
        default=ZERO,
        db_default=ZERO,
        help_text="How far below zero it may go: a team's credit, given by an operator.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="account_within_its_credit",
                condition=Q(guarded_balance__gte=ZERO - F("credit_limit_glm")),
            ),
            models.CheckConstraint(
                name="account_credit_for_budgets_alone",
                condition=Q(credit_limit_glm=0) | Q(kind=AccountKind.AVAILABLE, credit_limit_glm__gt=0),
            ),
            models.CheckConstraint(
                name="account_balance_kept_for_guarded_kinds",
                condition=Q(kind__in=sorted(GUARDED_KINDS), guarded_balance__isnull=False)
                | (~Q(kind__in=sorted(GUARDED_KINDS)) & Q(guarded_balance=None)),
            ),
            models.CheckConstraint(
                name="account_kind_has_its_currency",
                condition=Q(kind=AccountKind.TREASURY)
                | (Q(kind__in=sorted(COIN_KINDS)) & ~Q(currency=GLM))
                | (~Q(kind__in=sorted(COIN_KINDS)) & Q(currency=GLM)),
            ),
            models.CheckConstraint(
                name="account_currency_is_a_symbol", condition=Q(currency__regex=r"^[A-Za-z0-9]{2,8}$")
            ),
            models.UniqueConstraint(
                fields=("kind", "currency"),
                condition=Q(team=None, node=None),
                name="account_one_of_a_kind_of_the_house",
            ),
            models.UniqueConstraint(
                fields=("kind", "node"), condition=Q(team=None), name="account_one_of_a_kind_per_node"
            ),
        )
        indexes = (
            # A handful of rows: what the trigger on transfers looks up to keep currencies apart.
            models.Index(fields=("id",), condition=~Q(currency=GLM), name="account_in_coin"),
        )

    def __str__(self) -> str:
        owner = self.team or self.node or "the Hive"
        kept_in = "" if self.currency == GLM else f" in {self.currency}"
        return f"{self.get_kind_display()} of {owner}{kept_in}"

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
    GAS = "gas", "Gas"
    """gas -> treasury, in the chain's coin: a block has one of the treasury's transactions for good."""
    FUNDING = "funding", "Coin brought in"
    """treasury -> funding, in the chain's coin: operators gave the treasury gas."""
    CONCESSION = "concession", "Granted in a dispute"
    """fees -> payable: the Hive pays a node more than was rated."""
    COUNTER = "counter", "Counter-entry"
    """Undoes an earlier transfer, named in `undoes`."""


OUTSIDE = ~Q(kind__in=[TransferKind.HOLD, TransferKind.RELEASE, TransferKind.USAGE, TransferKind.TAX])
"""Of a budget's transfers the few that bring money in or take it away, neither moved within nor spent."""

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
        indexes = (
            models.Index(fields=("credit",), condition=OUTSIDE, name="transfer_brings_in"),
            models.Index(fields=("debit",), condition=OUTSIDE, name="transfer_takes_away"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {plain(self.amount)} {self.debit.currency}"
