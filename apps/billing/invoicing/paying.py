"""What an invoice asks on top of what was prepaid: paid from the team's budget as soon as it is there."""

from __future__ import annotations

import logging
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.billing.budgets.opening import open_budget
from apps.billing.invoicing.models import UNPAID, Invoice, InvoiceState
from apps.billing.invoicing.owing import beyond_later_usage_glm, open_credit_glm
from apps.billing.ledger.accounts import AccountKind, TransferKind
from apps.billing.ledger.posting import InsufficientFunds, house_account, transfer
from apps.money import ZERO, plain
from apps.teams.audit import Actor
from apps.teams.states import StateError

log = logging.getLogger("hive.billing")

COLLECTING = Actor.queen("invoicing")
SOMETHING_DUE = Q(paid_glm__lt=F("credit_glm") + F("tax_glm") - F("credited_tax_glm"))


def collect_due() -> int:
    """Try every unpaid invoice, the oldest first. Returns how many are paid now."""
    unpaid = Invoice.objects.filter(state__in=UNPAID).order_by("issued_at", "pk").only("pk")
    return sum(_tried(invoice) for invoice in unpaid.iterator(chunk_size=500))


def _tried(invoice: Invoice) -> bool:
    """One that can't be collected holds up no other."""
    try:
        return collect(invoice)
    except Exception:
        log.exception("invoice %s can't be collected; it is tried again", invoice.pk)
        return False


@transaction.atomic
def collect(invoice: Invoice) -> bool:
    """Pay what is due from the team's main budget. True when it is paid now.

    What was used on credit is paid by whatever comes in, bit by bit; then the taxes are taken, all of them or
    nothing, and never on credit.
    """
    current = Invoice.objects.select_for_update(of=("self",)).select_related("team").get(pk=invoice.pk)
    if current.is_terminal or not _is_covered(current):
        return False
    try:
        reason = _take(current) if _taxes_due(current) else "prepaid, and nothing more is due"
    except InsufficientFunds as shortage:
        log.info("invoice %s waits: %s", current.number, shortage)
        return False
    _paid(current, actor=COLLECTING, reason=reason)
    invoice.refresh_from_db()
    return True


@transaction.atomic
def paid_otherwise(invoice: Invoice, *, actor: Actor, reason: str) -> None:
    """An operator has seen the money elsewhere, on a bank account for one: the ledger has no part in it.

    Raises StateError when nothing is due.
    """
    current = Invoice.objects.select_for_update().get(pk=invoice.pk)
    if current.is_terminal:
        raise StateError(f"{current} is paid")
    if open_glm := open_credit_glm(current):
        raise StateError(f"{plain(open_glm)} GLM of {current} were used on credit: pay in GLM for that")
    _paid(current, actor=actor, reason=reason)
    invoice.refresh_from_db()


def nothing_is_due(invoice: Invoice, *, actor: Actor, reason: str) -> None:
    """A (locked) invoice of which all that was due is credited."""
    _paid(invoice, actor=actor, reason=reason)


def _is_covered(invoice: Invoice) -> bool:
    """Whether its part on credit is paid, and taxes can be from what is there. Notes what is paid of it."""
    owed_glm = beyond_later_usage_glm(invoice)
    paid_glm = invoice.credit_glm - min(max(owed_glm, ZERO), invoice.credit_glm)
    if paid_glm > invoice.paid_glm:
        Invoice.objects.filter(pk=invoice.pk).update(paid_glm=paid_glm)
        invoice.paid_glm = paid_glm
    taxes_glm = _taxes_due(invoice)
    return invoice.paid_glm >= invoice.credit_glm and (not taxes_glm or owed_glm + taxes_glm <= ZERO)


def _taxes_due(invoice: Invoice) -> Decimal:
    """Beside the part that was used on credit."""
    return invoice.tax_glm - invoice.credited_tax_glm - max(invoice.paid_glm - invoice.credit_glm, ZERO)


def _take(invoice: Invoice) -> str:
    """Returns what was done."""
    transfer(
        key=f"invoice:{invoice.pk}:tax",
        kind=TransferKind.TAX,
        debit=open_budget(invoice.team).available,
        credit=house_account(AccountKind.TAXES),
        amount_glm=(taxes_glm := _taxes_due(invoice)),
        reference=f"invoice:{invoice.number}",
    )
    return f"{plain(taxes_glm)} GLM of taxes paid from the budget"


def _paid(invoice: Invoice, *, actor: Actor, reason: str) -> None:
    paid_glm = invoice.paid_glm + invoice.due_glm
    invoice.move_to(InvoiceState.PAID, actor=actor, reason=reason, paid_glm=paid_glm)


def mark_overdue() -> int:
    """Invoices of which something is due, and whose due date has passed. Returns how many."""
    late = Invoice.objects.filter(SOMETHING_DUE, state=InvoiceState.ISSUED, deadline_at__lte=timezone.now())
    return sum(map(_overdue, list(late.select_related("team")[:1000])))


def _overdue(invoice: Invoice) -> bool:
    """One that can't be moved holds up no other."""
    told = f"{plain(invoice.due_glm)} GLM were due on {invoice.due_at:%Y-%m-%d}"
    try:
        # Its deadline is now: the first reminder goes out at once.
        invoice.move_to(InvoiceState.OVERDUE, actor=COLLECTING, reason=told, deadline_at=timezone.now())
    except Exception:
        log.exception("invoice %s can't be marked as overdue; it is tried again", invoice.pk)
        return False
    return True
