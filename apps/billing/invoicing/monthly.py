"""A month's invoices, drawn up by themselves."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.billing.invoicing.drawing import NothingToInvoice, draw_up_invoice
from apps.billing.invoicing.models import Invoice
from apps.billing.metering.models import UsageRecord, UsageState
from apps.teams.audit import Actor
from apps.teams.models import Team

log = logging.getLogger("hive.billing")

MONTHLY = Actor.queen("invoicing")


def draw_up_months(*, now: datetime | None = None) -> list[Invoice]:
    """An invoice for each team of what it used until this month began, if it has not one over that already.

    Late reports are on the next one. It may be called as often as one likes: of what is on an invoice nothing
    is left to be put on another.
    """
    until = month_of(now or timezone.now())
    drawn_up = (_draw_up(team, until) for team in _teams_to_invoice(until))
    return [invoice for invoice in drawn_up if invoice is not None]


def month_of(now: datetime) -> datetime:
    """When this month began, UTC."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _teams_to_invoice(until: datetime) -> list[Team]:
    """Those that used something before, and were not invoiced for that time yet."""
    used = UsageRecord.objects.filter(
        agreement__team=OuterRef("pk"),
        state=UsageState.POSTED,
        invoice=None,
        ended_at_ms__lte=int(until.timestamp() * 1000),
    )
    invoiced = Invoice.objects.filter(team=OuterRef("pk"), period_end__gte=until)
    wanted = Q(billing_details=None) | Q(billing_details__is_monthly=True)
    teams = Team.objects.filter(wanted, Exists(used), ~Exists(invoiced), created_at__lt=until)
    return list(teams.order_by("pk"))


def _draw_up(team: Team, until: datetime) -> Invoice | None:
    """Each in a transaction of its own: one team that can't be invoiced holds up no other."""
    try:
        return draw_up_invoice(team=team, actor=MONTHLY, until=until)
    except NothingToInvoice:  # somebody drew one up meanwhile
        return None
    except Exception:
        log.exception("the month's invoice of team %s can't be drawn up; it is tried again", team)
        return None
