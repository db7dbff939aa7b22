"""Credit notes: a part of an invoice taken back, with what it means for the money."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.billing.budgets.opening import open_budget
from apps.billing.invoicing import taxing
from apps.billing.invoicing.drawing import next_in_series
from apps.billing.invoicing.models import CreditNote, Invoice
from apps.billing.invoicing.paying import nothing_is_due
from apps.billing.invoicing.sealing import seal
from apps.billing.ledger.accounts import AccountKind, TransferKind
from apps.billing.ledger.posting import exact, house_account, transfer
from apps.billing.treasury.agreeing import must_be_agreed
from apps.billing.treasury.large import person
from apps.money import ZERO, plain
from apps.teams.audit import Actor, AuditLine


@transaction.atomic
def credit(invoice: Invoice, *, net_glm: Decimal, actor: Actor, reason: str) -> CreditNote:
    """Take back `net_glm` of what was used, and the taxes on it.

    What was paid goes back to the team's main budget, at the Hive's own expense; what was not paid yet is not
    due any more. Raises ValueError for more than is left of the invoice, for no amount at all, or for taxes
    that nobody could verify; NotAgreed where it is large and too few operators agree.
    """
    current = Invoice.objects.select_for_update().select_related("team").get(pk=invoice.pk)
    left_glm = current.net_glm - current.credited_net_glm
    if exact(net_glm) > left_glm:
        raise ValueError(
            f"{plain(net_glm)} GLM: expected at most {plain(left_glm)} GLM, all that is left of {current}"
        )
    total_net_glm = current.credited_net_glm + net_glm
    needed = must_be_agreed(current, total_glm=total_net_glm, user=person(actor))
    taxes = _taxes(current, net_glm)
    now = timezone.now()
    note = CreditNote(
        id=uuid.uuid4(),
        number=str(next_in_series(f"{settings.HIVE_INVOICE_PREFIX}-CN-{now:%Y}-")),
        invoice=current,
        reason=reason[:300],
        net_glm=net_glm,
        tax_glm=(tax_glm := taxing.sum_of(taxes)),
        total_glm=net_glm + tax_glm,
        taxes=taxes,
        issued_at=now,
        approvals_needed=needed,
    )
    note.save(force_insert=True)  # the database adds it to what is credited of the invoice
    seal(note)
    _give_back(note, was_paid=current.is_terminal)
    AuditLine.write(note, before="", after="drawn up", actor=actor, reason=f"for {current}: {reason}")
    current.refresh_from_db()
    if not current.is_terminal and not current.due_glm:
        nothing_is_due(current, actor=actor, reason=f"credited by {note}")
    invoice.refresh_from_db()
    return note


def _taxes(invoice: Invoice, net_glm: Decimal) -> taxing.Taxes:
    """At the invoice's own rates. With the last part goes what is left of them, whatever was rounded."""
    rates = [(tax["name"], Decimal(tax["percent"])) for tax in invoice.taxes]
    taxes = taxing.taxes_on(net_glm, rates)
    left_glm = invoice.tax_glm - invoice.credited_tax_glm
    is_last = net_glm == invoice.net_glm - invoice.credited_net_glm
    over_glm = taxing.sum_of(taxes) - left_glm
    if is_last or over_glm > 0:
        _lessen(taxes, over_glm)
    return taxes


def _lessen(taxes: taxing.Taxes, over_glm: Decimal) -> None:
    """From the last one on, none below zero. Where `over_glm` is negative, the last one gets what lacks."""
    for tax in reversed(taxes):
        less_glm = min(over_glm, Decimal(tax["amount_glm"]))
        tax["amount_glm"] = plain(Decimal(tax["amount_glm"]) - less_glm)
        over_glm -= less_glm


def _give_back(note: CreditNote, *, was_paid: bool) -> None:
    available = open_budget(note.invoice.team).available
    taxes_glm = note.tax_glm if was_paid else ZERO
    for kind, amount_glm in ((AccountKind.FEES, note.net_glm), (AccountKind.TAXES, taxes_glm)):
        if amount_glm:
            transfer(
                key=f"credit_note:{note.pk}:{kind}",
                kind=TransferKind.CREDIT,
                debit=house_account(kind),
                credit=available,
                amount_glm=amount_glm,
                reference=f"credit_note:{note.number}",
            )
