"""A month's invoices, drawn up by themselves."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.billing.invoicing.drawing import NothingToInvoice, draw_up_invoice
from apps.billing.invoicing.models import Invoice
from apps.billing.metering.dating import counts_until
from apps.billing.metering.models import UsageRecord, UsageState
from apps.teams.audit import Actor
from apps.teams.models import Team

log = logging.getLogger("hive.billing")

MONTHLY = Actor.queen("invoicing")


def draw_up_months(*, now: datetime | None = None) -> int:
    """An invoice for each team of what it used until this month began, if it has not one over that already.

    Late reports are on the next one. It may be called as often as one likes, by as many workers: each team is
    invoiced in a transaction of its own, by one of them. Returns how many invoices were drawn up.
    """
    until = month_of(now or timezone.now())
    return sum(_tried(team, until) for team in _teams_to_invoice(until))


def month_of(now: datetime) -> datetime:
    """When this month began, UTC."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _teams_to_invoice(until: datetime) -> list[Team]:
    """Those that used something before, and were not invoiced for that time yet."""
    used = UsageRecord.objects.filter(
        counts_until(until), agreement__team=OuterRef("pk"), state=UsageState.POSTED, invoice=None
    )
    wanted = Q(billing_details=None) | Q(billing_details__is_monthly=True)
    teams = Team.objects.filter(wanted, Exists(used), ~Exists(_invoiced(until)), created_at__lt=until)
    return list(teams.order_by("pk"))


def _invoiced(until: datetime) -> QuerySet[Invoice]:
    """Those of a team that are over this time already."""
    return Invoice.objects.filter(team=OuterRef("pk"), period_end__gte=until)


def _tried(team: Team, until: datetime) -> bool:
    """One team that can't be invoiced holds up no other."""
    try:
        return _draw_up(team, until)
    except NothingToInvoice:  # somebody drew one up meanwhile
        return False
    except Exception:
        log.exception("the month's invoice of team %s can't be drawn up; it is tried again", team)
        return False


@transaction.atomic
def _draw_up(team: Team, until: datetime) -> bool:
    """Not if another worker is at it, or has just been: the lock comes first, and then the look."""
    teams = Team.objects.filter(pk=team.pk)
    if (
        not teams.select_for_update(no_key=True, skip_locked=True)
        or not teams.exclude(Exists(_invoiced(until))).exists()
    ):
        return False
    draw_up_invoice(team=team, actor=MONTHLY, until=until)
    return True
