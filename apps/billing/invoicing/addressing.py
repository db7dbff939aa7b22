"""Whom a team's invoices are made out to: what its owners may change of its billing details themselves.

Taxes and their note are the operator's to set: they are owed to somebody else.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction

from apps.billing.invoicing.billing_details import BillingDetails
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import Team

OWN_FIELDS = ("name", "address", "tax_id", "email")
MOST_LINES = 8
"""Of an address: more would not leave room for the invoice."""


class BillingDetailsForm(forms.ModelForm):
    """The same checks for page and API. What it does not have can't be changed by it."""

    class Meta:
        model = BillingDetails
        fields = OWN_FIELDS
        labels = {"tax_id": "Tax number", "email": "Where invoices' mails go"}
        widgets = {"address": forms.Textarea(attrs={"rows": 4})}

    def clean_name(self) -> str:
        return _one_line(self.cleaned_data["name"])

    def clean_tax_id(self) -> str:
        return _one_line(self.cleaned_data["tax_id"])

    def clean_address(self) -> str:
        lines = [_one_line(line) for line in self.cleaned_data["address"].splitlines()]
        if len(lines) > MOST_LINES:
            raise forms.ValidationError(f"Expected at most {MOST_LINES} lines, got {len(lines)}.")
        return "\n".join(lines).strip()


@transaction.atomic
def change_details(team: Team, told: dict[str, Any], *, actor: Actor) -> BillingDetails | BillingDetailsForm:
    """Set what `told` has of the fields, and leave the others. Returns the form where something is wrong.

    Invoices that are drawn up already keep what they say.
    """
    BillingDetails.objects.get_or_create(team=team)
    details = BillingDetails.objects.select_for_update().select_related("team").get(team=team)
    before = {name: getattr(details, name) for name in OWN_FIELDS}
    form = BillingDetailsForm(before | told, instance=details)
    if not form.is_valid():
        return form
    changed = [name for name in OWN_FIELDS if form.cleaned_data[name] != before[name]]
    if changed:
        form.save()
        reason = f"invoices are made out to another {', '.join(changed)}"
        AuditLine.write(details, before="", after="changed", actor=actor, reason=reason)
    return details


def _one_line(text: str) -> str:
    """Raises ValidationError for what would break a paper: letters that can't be seen."""
    tidy = " ".join(text.split())
    if not tidy.isprintable():
        raise forms.ValidationError("Expected letters that can be printed.")
    return tidy
