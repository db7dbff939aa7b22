"""Invoices to teams: pay-as-you-go snapshots of what was posted, on consecutive numbers without gaps."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from apps.billing.invoicing import taxing
from apps.billing.invoicing.lines import Line, lines_of
from apps.billing.invoicing.models import Invoice, InvoiceSeries
from apps.billing.invoicing.owing import beyond_later_usage_glm
from apps.billing.invoicing.paying import collect
from apps.billing.invoicing.sealing import seal
from apps.billing.metering.dating import counts_after, counts_until
from apps.billing.metering.models import UsageRecord, UsageState
from apps.money import ZERO, plain
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import Team


class NothingToInvoice(ValueError):
    """Nothing was used that is not on an invoice yet; its text says since when."""


@transaction.atomic
def draw_up_invoice(*, team: Team, actor: Actor, since: datetime | None = None, until: datetime) -> Invoice:
    """Put usage that was posted and never invoiced on an invoice: each report on one invoice, once.

    Without `since` it is all that ended until `until`, late reports of earlier periods included.

    Raises NothingToInvoice, which takes no number, and ValueError when `until` is not after the period's
    start, or for taxes that nobody could verify.
    """
    # Who draws up for the same team waits here: its periods follow one another.
    Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    start = since or _period_start(team, until)
    if start >= until:
        raise ValueError(
            f"an invoice until {until:%Y-%m-%d %H:%M:%S}: expected a time after {start:%Y-%m-%d %H:%M:%S}"
        )
    invoice_id = uuid.uuid4()
    # The reports are claimed before the invoice exists (foreign keys are checked at the commit), so that what
    # is summed is what was claimed, whatever is posted meanwhile.
    if not _claimable(team, since=since, until=until).update(invoice=invoice_id):
        raise NothingToInvoice(_nothing(team, since=since))
    lines = lines_of(invoice_id)
    # Who draws up for any team waits from here to the commit, so the number is taken as late as can be.
    series = next_in_series(f"{settings.HIVE_INVOICE_PREFIX}-{until:%Y}-")
    invoice = _invoice(team, lines, number=str(series), start=start, until=until, pk=invoice_id)
    invoice.save(force_insert=True)
    _look_invoices_up_by_index()
    seal(invoice)
    reason = f"{plain(invoice.total_glm)} GLM from {start:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S}"
    AuditLine.write(invoice, before="", after="drawn up", actor=actor, reason=reason)
    collect(invoice)
    return invoice


def _invoice(
    team: Team, lines: list[Line], *, number: str, start: datetime, until: datetime, pk: uuid.UUID
) -> Invoice:
    """Not saved yet. What was used is paid, but for what was used on credit: that is due, and taxes."""
    details, now = taxing.details_of(team), timezone.now()
    net_glm = sum((Decimal(line["cost_glm"]) for line in lines), ZERO)
    taxes = taxing.taxes_on(net_glm, taxing.rates_of(details))
    tax_glm = taxing.sum_of(taxes)
    invoice = Invoice(
        id=pk,
        number=number,
        team=team,
        period_start=start,
        period_end=until,
        net_glm=net_glm,
        tax_glm=tax_glm,
        total_glm=net_glm + tax_glm,
        lines=lines,
        taxes=taxes,
        issuer=taxing.issuer(),
        customer=taxing.customer(details),
        note=details.note,
        issued_at=now,
    )
    # What came in paid the oldest usage, noted or not: what is owed was used last, on this invoice.
    invoice.credit_glm = min(max(beyond_later_usage_glm(invoice), ZERO), net_glm)
    is_due = bool(tax_glm or invoice.credit_glm)
    invoice.due_at = now + timedelta(days=settings.HIVE_INVOICE_DUE_DAYS if is_due else 0)
    invoice.deadline_at = invoice.due_at
    invoice.reason = "what was used on credit is due" if invoice.credit_glm else "taxes are due"
    return invoice


def _look_invoices_up_by_index() -> None:
    """At the commit, PostgreSQL looks for the invoice of each report that was claimed, by a plan it has kept.

    If it made that plan when there were few invoices, it would read all of them for each report for ever.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")


def _nothing(team: Team, *, since: datetime | None) -> str:
    if since:
        return f"nothing was used since {since:%Y-%m-%d %H:%M:%S}"
    latest = team.invoices.order_by("-period_end").first()
    return f"nothing was used since {latest}" if latest else "nothing was used yet"


def next_in_series(prefix: str) -> InvoiceSeries:
    """Take the next number. The row stays locked to the commit: a number that is not used is not taken."""
    InvoiceSeries.objects.bulk_create([InvoiceSeries(prefix=prefix)], ignore_conflicts=True)
    series = InvoiceSeries.objects.select_for_update().get(prefix=prefix)
    series.last_number += 1
    series.save(update_fields=["last_number"])
    return series


def _period_start(team: Team, until: datetime) -> datetime:
    """Where the team's last invoice ended, else when the team began."""
    latest = team.invoices.aggregate(end=Max("period_end"))["end"]
    return latest or min(team.created_at, until)


def _claimable(team: Team, *, since: datetime | None, until: datetime) -> QuerySet[UsageRecord]:
    posted = UsageRecord.objects.filter(agreement__team=team, state=UsageState.POSTED, invoice=None)
    posted = posted.filter(counts_until(until))
    return posted if since is None else posted.filter(counts_after(since))
