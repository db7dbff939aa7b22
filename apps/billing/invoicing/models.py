"""What providers ask and what teams are told: debit notes in, invoices out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from apps.money import ZERO, GlmField
from apps.teams.models import Team
from apps.teams.states import Stateful, has_deadline


class InvoiceSeries(models.Model):
    """The counter behind gapless invoice numbers: moved under a row lock, in the invoice's transaction."""

    prefix = models.CharField(max_length=20, unique=True)
    last_number = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.prefix}{self.last_number:06d}"


class InvoiceState(models.TextChoices):
    ISSUED = "issued", "Issued"
    """Taxes are due by the deadline, and what was used on credit; the rest was prepaid."""
    OVERDUE = "overdue", "Overdue"
    """What was due is not paid. The deadline is that of the next reminder, or of the suspension."""
    PAID = "paid", "Paid"
    """Nothing is due: all of it was prepaid, paid from the budget, paid otherwise, or credited."""


UNPAID = frozenset({InvoiceState.ISSUED, InvoiceState.OVERDUE})


class Invoice(Stateful):
    """What a team used in a period, as it stood when the invoice was drawn up.

    The paper itself never changes. What becomes of it does: its state, and what was paid and credited.
    """

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        InvoiceState.ISSUED: frozenset({InvoiceState.PAID, InvoiceState.OVERDUE}),
        InvoiceState.OVERDUE: frozenset({InvoiceState.PAID}),
        InvoiceState.PAID: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.CharField(max_length=40, unique=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="invoices")
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    net_glm = GlmField(default=ZERO, help_text="What was used; paid from the holds as it was used.")
    tax_glm = GlmField(default=ZERO, help_text="On top of it; due.")
    credit_glm = GlmField(
        default=ZERO,
        db_default=ZERO,
        help_text="Of what was used, what was used on credit and not paid yet when it was drawn up; due.",
    )
    total_glm = GlmField()
    lines = models.JSONField(
        help_text="One line per agreement: what, for which service, node, time, bytes, prices, cost, proof."
    )
    taxes = models.JSONField(default=list, blank=True, help_text="Name, percent, base and amount of each.")
    issuer = models.JSONField(default=dict, blank=True)
    customer = models.JSONField(default=dict, blank=True)
    note = models.TextField(blank=True, help_text="What the law wants said: reverse charge, for one.")
    issued_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    signature = models.CharField(max_length=132, blank=True, help_text="The issuer's, over all of the above.")
    state = models.CharField(max_length=12, choices=InvoiceState.choices, default=InvoiceState.ISSUED)
    paid_glm = GlmField(default=ZERO, help_text="Of what was due, since.")
    credited_net_glm = GlmField(default=ZERO, editable=False, help_text="By credit notes: kept by them.")
    credited_tax_glm = GlmField(default=ZERO, editable=False, help_text="By credit notes: kept by them.")
    reminders = models.PositiveSmallIntegerField(default=0, help_text="How often it was asked for.")

    class Meta:
        ordering = ("-issued_at",)
        constraints = (
            models.CheckConstraint(
                name="invoice_period_is_forward",
                condition=Q(period_end__gt=F("period_start"), total_glm__gte=0),
            ),
            models.CheckConstraint(
                name="invoice_adds_up",
                condition=Q(net_glm__gte=0, tax_glm__gte=0, total_glm=F("net_glm") + F("tax_glm")),
            ),
            models.CheckConstraint(
                name="invoice_credited_at_most_itself",
                condition=Q(credited_net_glm__lte=F("net_glm"), credited_tax_glm__lte=F("tax_glm")),
            ),
            models.CheckConstraint(
                name="invoice_paid_at_most_what_was_due",
                condition=Q(paid_glm__gte=0, paid_glm__lte=F("tax_glm") + F("credit_glm")),
            ),
            models.CheckConstraint(
                name="invoice_credit_within_what_was_used",
                condition=Q(credit_glm__gte=0, credit_glm__lte=F("net_glm")),
            ),
            has_deadline(terminal={InvoiceState.PAID}, name="invoice_has_deadline"),
        )

    def __str__(self) -> str:
        return self.number

    @property
    def audit_team_id(self) -> int:
        return self.team_id

    @property
    def due_glm(self) -> Decimal:
        """Still to be paid."""
        if self.is_terminal:
            return ZERO
        return self.credit_glm + self.tax_glm - self.credited_tax_glm - self.paid_glm


class CreditNote(models.Model):
    """Takes back a part of an invoice, or all of it; with a number of a series of its own. Never changed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.CharField(max_length=40, unique=True)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    reason = models.CharField(max_length=300)
    net_glm = GlmField()
    tax_glm = GlmField(default=ZERO)
    total_glm = GlmField()
    taxes = models.JSONField(default=list, blank=True)
    issued_at = models.DateTimeField(default=timezone.now)
    signature = models.CharField(max_length=132, blank=True)
    approvals_needed = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="So many operators agreed; none where it is not large.",
    )

    class Meta:
        ordering = ("-issued_at",)
        constraints = (
            models.CheckConstraint(
                name="credit_note_adds_up",
                condition=Q(
                    net_glm__gte=0, tax_glm__gte=0, total_glm__gt=0, total_glm=F("net_glm") + F("tax_glm")
                ),
            ),
        )

    def __str__(self) -> str:
        return self.number

    @property
    def audit_team_id(self) -> int:
        return self.invoice.team_id
