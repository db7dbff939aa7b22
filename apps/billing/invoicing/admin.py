"""Admin of papers: invoices, credit notes, and who they are to. Imported by admin.py."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import display

from apps.billing.admin_parts import glm_column
from apps.billing.invoicing.crediting import credit
from apps.billing.invoicing.paying import collect, paid_otherwise
from apps.billing.invoicing.suspending import lift, suspend
from apps.billing.models import BillingDetails, CreditNote, Invoice, InvoiceSeries
from apps.billing.treasury.agreeing import agree, take_back, why_not_yet
from apps.billing.treasury.large import person
from apps.teams.admin_parts import Rows, Shown, by_hand, register, verb
from apps.teams.audit import Actor
from apps.teams.models import User


class CreditNotes(Rows):
    model = CreditNote
    fields = readonly_fields = ("number", "total_glm", "reason", "issued_at")


@register(Invoice)
class InvoiceAdmin(Shown):
    """The paper never changes: it is corrected by credit notes."""

    list_display = ("number", "team", "total_glm", "state_label", "due", "why", "period_end", "issued_at")
    list_filter = ("state", "team")
    search_fields = ("number", "team__slug")
    list_select_related = ("team",)
    date_hierarchy = "issued_at"
    inlines = (CreditNotes,)
    actions = ("collect", "paid", "agree", "take_back", "credit_all")

    due = glm_column("Due", lambda invoice: invoice.due_glm)

    @display(description="State", label={"issued": "warning", "overdue": "danger", "paid": "success"})
    def state_label(self, invoice: Invoice) -> tuple[str, str]:
        return invoice.state, invoice.get_state_display()

    def view_on_site(self, invoice: Invoice) -> str:
        return reverse("billing:invoice", args=[invoice.pk])

    @verb("Pay what is due from the budget, if it has it")
    def collect(self, invoice: Invoice, actor: Actor) -> None:
        if not collect(invoice):
            raise ValueError("it is paid, or the budget has too little")

    @verb("Was paid otherwise")
    def paid(self, invoice: Invoice, actor: Actor) -> None:
        paid_otherwise(invoice, actor=actor, reason=f"paid otherwise, {by_hand(actor)}")

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.approve_payment"))

    @verb("Agree that another operator credits it, up to all of it", permission="approve")
    def agree(self, invoice: Invoice, actor: Actor) -> None:
        agree(invoice, user=person(actor), upto_glm=invoice.net_glm, reason=by_hand(actor))

    @verb("Take back that you agreed", permission="approve")
    def take_back(self, invoice: Invoice, actor: Actor) -> None:
        take_back(invoice, user=person(actor), reason=by_hand(actor))

    @verb("Credit all that is left of it")
    def credit_all(self, invoice: Invoice, actor: Actor) -> None:
        left_glm = invoice.net_glm - invoice.credited_net_glm
        credit(invoice, net_glm=left_glm, actor=actor, reason=f"all of it, {by_hand(actor)}")


class CreditNoteForm(forms.ModelForm):
    user: User
    """Who writes it."""
    refused: str
    """Why the verb refused it; empty as long as it was not asked."""

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        if self.refused:
            raise forms.ValidationError(self.refused)
        invoice, net_glm = told.get("invoice"), told.get("net_glm")
        if invoice is None or net_glm is None:
            return told
        if not 0 < net_glm <= invoice.net_glm - invoice.credited_net_glm:
            raise forms.ValidationError(
                "Expected an amount above zero, and at most what is left of the invoice."
            )
        total_glm = invoice.credited_net_glm + net_glm
        if why := why_not_yet(invoice, total_glm=total_glm, user=self.user):
            raise forms.ValidationError(why)
        return told


class Refused(Exception):
    """By the verb, which alone knows how things stand by then; the text says why."""


@register(CreditNote)
class CreditNoteAdmin(Shown):
    """To credit a part: add one."""

    list_display = ("number", "invoice", "total_glm", "reason", "issued_at")
    list_filter = ("invoice__team",)
    search_fields = ("number", "invoice__number")
    list_select_related = ("invoice",)
    date_hierarchy = "issued_at"
    autocomplete_fields = ("invoice",)
    form = CreditNoteForm

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fields(request, obj) if obj else ("invoice", "net_glm", "reason")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        asked = super().get_form(request, obj, change=change, **kwargs)
        refused = getattr(request, "refused", "")
        return type(asked.__name__, (asked,), {"user": request.user, "refused": refused})

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """What the verb refuses was rolled back, and is told in the form, which is shown again."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except Refused as error:
            request.refused = str(error)  # type: ignore[attr-defined]
            return super().changeform_view(request, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.add_creditnote"))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        actor = Actor.user(request.user)  # type: ignore[arg-type]
        try:
            note = credit(obj.invoice, net_glm=obj.net_glm, actor=actor, reason=obj.reason)
        except ValueError as error:
            raise Refused(str(error)) from None
        obj.pk = note.pk
        obj.refresh_from_db()


@register(InvoiceSeries)
class InvoiceSeriesAdmin(Shown):
    list_display = ("prefix", "last_number")


@register(BillingDetails)
class BillingDetailsAdmin(Shown):
    """Taxes are the operator's to set; the rest is the team's own, and may be set here for it."""

    list_display = ("team", "name", "tax_id", "taxes", "is_monthly", "suspended_at", "suspended_because")
    list_filter = ("is_monthly",)
    search_fields = ("team__slug", "name", "tax_id")
    list_select_related = ("team",)
    autocomplete_fields = ("team",)
    actions = ("suspend", "lift")
    fields = ("team", "name", "address", "tax_id", "email", "taxes", "note", "is_monthly")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.add_billingdetails"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("billing.change_billingdetails"))

    @verb("Suspend the team")
    def suspend(self, details: BillingDetails, actor: Actor) -> None:
        suspend(details.team, actor=actor, because=by_hand(actor))

    @verb("Lift the suspension")
    def lift(self, details: BillingDetails, actor: Actor) -> None:
        lift(details.team, actor=actor, reason=by_hand(actor))
