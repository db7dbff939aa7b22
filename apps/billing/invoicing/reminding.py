"""Reminders of what is overdue, each more earnest than the last, and then the team is suspended.

The overdue invoice's deadline is the next step's. What is told is written with the step and sent from there
until it arrives, by mail and to the team's webhooks.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.billing.invoicing.models import Invoice, InvoiceState
from apps.billing.invoicing.paying import COLLECTING
from apps.billing.invoicing.suspending import lift, suspend
from apps.billing.invoicing.taxing import details_of
from apps.money import plain
from apps.teams.audit import AuditLine
from apps.teams.models import Role, Team
from apps.teams.notices.notifying import notify

log = logging.getLogger("hive.billing")

LEVELS = ("A reminder", "A second reminder", "The last reminder")


def remind_due(*, now: datetime | None = None) -> int:
    """Take the next step with each overdue invoice whose step is due. Returns how many steps were taken."""
    now = now or timezone.now()
    due = Invoice.objects.filter(state=InvoiceState.OVERDUE, deadline_at__lte=now)
    return sum(_tried(pk, now=now) for pk in due.values_list("pk", flat=True)[:500])


def lift_paid() -> int:
    """Lift what `remind_due` suspended, of teams of which nothing is overdue any more. Returns how many."""
    suspended = Team.objects.filter(billing_details__suspended_until_paid=True)
    return sum(map(_lifted, suspended.exclude(invoices__state=InvoiceState.OVERDUE)))


def _tried(pk: UUID, *, now: datetime) -> bool:
    """One team that can't be reminded holds up no other."""
    try:
        return _step(pk, now=now)
    except Exception:
        log.exception("of invoice %s nobody can be reminded; it is tried again", pk)
        return False


def _lifted(team: Team) -> bool:
    """Nor does one whose suspension can't be lifted."""
    try:
        lift(team, actor=COLLECTING, reason="nothing is overdue any more")
    except Exception:
        log.exception("the suspension of team %s can't be lifted; it is tried again", team)
        return False
    return True


@transaction.atomic
def _step(pk: UUID, *, now: datetime) -> bool:
    rows = Invoice.objects.select_for_update(skip_locked=True, of=("self",)).select_related("team")
    invoice = rows.filter(pk=pk, state=InvoiceState.OVERDUE, deadline_at__lte=now).first()
    if invoice is None:
        return False
    if invoice.reminders < len(LEVELS):
        _remind(invoice)
    else:
        because = f"invoice {invoice} over {plain(invoice.due_glm)} GLM was due on {invoice.due_at:%Y-%m-%d}"
        _suspend(invoice, because)
    invoice.deadline_at = now + timedelta(days=settings.HIVE_REMINDER_DAYS)
    invoice.save(update_fields=["reminders", "deadline_at"])
    return True


def _remind(invoice: Invoice) -> None:
    subject = f"{LEVELS[invoice.reminders]}: invoice {invoice}"
    invoice.reminders += 1
    text = _text(invoice)
    to = _addresses(invoice.team)
    AuditLine.write(
        invoice,
        before=invoice.state,
        after=f"reminder {invoice.reminders}",
        actor=COLLECTING,
        reason=f"{plain(invoice.due_glm)} GLM are due; told {', '.join(to) or 'nobody: no address is known'}",
    )
    notify(
        team=invoice.team,
        kind="invoice.overdue",
        subject=subject,
        text=text,
        data=_data(invoice) | {"reminder": invoice.reminders},
        to=to,
    )


def _suspend(invoice: Invoice, because: str) -> None:
    """Said once, though each of several overdue invoices comes here."""
    if suspend(invoice.team, actor=COLLECTING, because=because, until_paid=True):
        notify(
            team=invoice.team,
            kind="team.suspended",
            subject=f"{invoice.team.name} is suspended",
            text=f"{because}. Nothing new is placed and no lease is renewed until it is paid.\n\n"
            f"{_link(invoice)}\n",
            data=_data(invoice),
            to=_addresses(invoice.team),
        )


def _data(invoice: Invoice) -> dict[str, Any]:
    return {
        "invoice": invoice.number,
        "due_glm": plain(invoice.due_glm),
        "due_at": invoice.due_at,
        "url": _link(invoice),
    }


def _link(invoice: Invoice) -> str:
    return f"{settings.HIVE_PORTAL_URL}/invoices/{invoice.pk}/"


def _text(invoice: Invoice) -> str:
    left = len(LEVELS) - invoice.reminders
    next_step = (
        f"The next reminder follows in {settings.HIVE_REMINDER_DAYS:g} days."
        if left
        else f"If it is not paid in {settings.HIVE_REMINDER_DAYS:g} days, the team is suspended: nothing new"
        " is placed, and what runs ends with its lease."
    )
    return (
        f"Invoice {invoice} of {invoice.issued_at:%Y-%m-%d}: {plain(invoice.due_glm)} GLM were due on"
        f" {invoice.due_at:%Y-%m-%d}.\n\n"
        f"It is taken from the main budget of {invoice.team.name} as soon as that has it.\n{next_step}\n\n"
        f"{_link(invoice)}\n"
    )


def _addresses(team: Team) -> list[str]:
    """Where the team wants its invoices; else of its owners, those as well who want no other mails."""
    if email := details_of(team).email:
        return [email]
    owners = team.members.filter(role=Role.OWNER, user__is_active=True).order_by("pk")
    return [each for each in owners.values_list("user__email", flat=True) if each]
