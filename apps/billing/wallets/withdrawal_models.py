"""GLM that a team takes back out of its budget."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.billing.budgets.models import Budget
from apps.billing.treasury.models import Payment, PaymentState
from apps.billing.wallets.models import WalletProof
from apps.money import GlmField
from apps.teams.states import Stateful, has_deadline


class WithdrawalState(models.TextChoices):
    REQUESTED = "requested", "Requested"
    """An owner's word is awaited; no money has moved."""
    CONFIRMED = "confirmed", "Confirmed"
    """It has left the budget: its payment is on its way, or waits for operators where it is large."""
    PAID = "paid", "Paid"
    """Its payment is final."""
    FAILED = "failed", "Failed"
    """The chain would not; the amount is back in the budget."""
    CANCELLED = "cancelled", "Cancelled"
    """Taken back before an owner confirmed it."""
    EXPIRED = "expired", "Expired"
    """No owner confirmed it in time."""


class Withdrawal(Stateful):
    """From a team's budget to a wallet that the team has proven. Gas is the Hive's."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        WithdrawalState.REQUESTED: frozenset(
            {WithdrawalState.CONFIRMED, WithdrawalState.CANCELLED, WithdrawalState.EXPIRED}
        ),
        WithdrawalState.CONFIRMED: frozenset({WithdrawalState.PAID, WithdrawalState.FAILED}),
        WithdrawalState.PAID: frozenset(),
        WithdrawalState.FAILED: frozenset(),
        WithdrawalState.CANCELLED: frozenset(),
        WithdrawalState.EXPIRED: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="withdrawals")
    proof = models.ForeignKey(
        WalletProof,
        on_delete=models.PROTECT,
        related_name="withdrawals",
        help_text="Of the wallet it goes to.",
    )
    amount = GlmField()
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who asked for it, and therefore can't approve its payment; nobody known for old ones.",
    )
    state = models.CharField(
        max_length=12, choices=WithdrawalState.choices, default=WithdrawalState.REQUESTED
    )
    payment = models.OneToOneField(
        Payment, null=True, blank=True, on_delete=models.PROTECT, related_name="withdrawal"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.CheckConstraint(name="withdrawal_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="withdrawal_has_its_payment",
                condition=Q(state__in=["confirmed", "paid", "failed"], payment__isnull=False)
                | Q(state__in=["requested", "cancelled", "expired"], payment=None),
            ),
            has_deadline(
                terminal=set(WithdrawalState.values) - {WithdrawalState.REQUESTED, WithdrawalState.CONFIRMED},
                name="withdrawal_has_deadline",
            ),
        )

    def __str__(self) -> str:
        return f"{self.amount.normalize():f} GLM to {self.recipient[:10]}…"

    @property
    def recipient(self) -> str:
        return self.proof.address

    @property
    def waits_for_operators(self) -> bool:
        """It is large: its payment has to be approved before it is signed."""
        return self.payment is not None and self.payment.state == PaymentState.WAITING

    @property
    def audit_team_id(self) -> int:
        return self.budget.team_id
