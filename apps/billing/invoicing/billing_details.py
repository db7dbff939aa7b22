"""Who an invoice is to: a team's name, address and tax number, its taxes, and whether it is suspended."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from apps.billing.invoicing.rates import read_rates
from apps.teams.models import Team


def taxes_are_right(taxes: Any) -> None:
    """A list of {"name", "percent"}, as `read_rates` takes them. Raises ValidationError."""
    if not isinstance(taxes, list):
        raise ValidationError('expected a list such as [{"name": "VAT", "percent": "19"}]')
    for tax in taxes:
        if not isinstance(tax, dict) or set(tax) != {"name", "percent"}:
            raise ValidationError(f'{tax}: expected {{"name": "VAT", "percent": "19"}}')
    try:
        read_rates((tax["name"], tax["percent"]) for tax in taxes)
    except ValueError as error:
        raise ValidationError(str(error)) from None


class BillingDetails(models.Model):
    """A team without a row is invoiced under its own name, with the Hive's usual taxes, on demand."""

    team = models.OneToOneField(Team, on_delete=models.PROTECT, related_name="billing_details")
    name = models.CharField(max_length=120, blank=True, help_text="As on the invoice; else the team's.")
    address = models.TextField(max_length=500, blank=True)
    tax_id = models.CharField(max_length=40, blank=True)
    email = models.EmailField(blank=True, help_text="Where reminders go; else to the team's owners.")
    taxes = models.JSONField(
        null=True,
        blank=True,
        validators=[taxes_are_right],
        help_text='[{"name": "VAT", "percent": "19"}]; nothing: the usual ones; []: none.',
    )
    note = models.CharField(
        max_length=300,
        blank=True,
        help_text="Stands on each invoice: “Reverse charge”, and which law says so.",
    )
    is_monthly = models.BooleanField(default=True, help_text="An invoice is drawn up for each month.")
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)
    suspended_because = models.CharField(max_length=300, blank=True, editable=False)
    suspended_until_paid = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="For what is overdue: lifted by itself. Else an operator suspended it, and lifts it.",
    )

    class Meta:
        verbose_name_plural = "billing details"

    def __str__(self) -> str:
        return f"billing details of {self.team}"

    @property
    def audit_team_id(self) -> int:
        return self.team_id
