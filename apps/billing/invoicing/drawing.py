"""Invoices to teams: pay-as-you-go snapshots of what was posted, on consecutive numbers without gaps."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Min, QuerySet, Sum
from django.utils import timezone

from apps.billing.invoicing import taxing
from apps.billing.invoicing.evidence import evidence_of, hash_of
from apps.billing.invoicing.models import Invoice, InvoiceSeries
from apps.billing.invoicing.naming import Purpose, purposes_of
from apps.billing.invoicing.paying import collect
from apps.billing.invoicing.sealing import seal
from apps.billing.metering.models import UsageRecord, UsageState
from apps.market.models import Agreement
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
    start.
    """
    series = next_in_series(f"{settings.HIVE_INVOICE_PREFIX}-{until:%Y}-")
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
    lines = _lines(UsageRecord.objects.filter(invoice=invoice_id), invoice_id)
    invoice = _invoice(team, lines, number=str(series), start=start, until=until, pk=invoice_id)
    invoice.save(force_insert=True)
    seal(invoice)
    reason = f"{plain(invoice.total_glm)} GLM from {start:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S}"
    AuditLine.write(invoice, before="", after="drawn up", actor=actor, reason=reason)
    collect(invoice)
    return invoice


def _invoice(
    team: Team, lines: list[dict[str, Any]], *, number: str, start: datetime, until: datetime, pk: uuid.UUID
) -> Invoice:
    """Not saved yet. What was used is paid already; the taxes on it are due."""
    details, now = taxing.details_of(team), timezone.now()
    net_glm = sum((Decimal(line["cost_glm"]) for line in lines), ZERO)
    taxes = taxing.taxes_on(net_glm, taxing.rates_of(details))
    tax_glm = taxing.sum_of(taxes)
    due_at = now + timedelta(days=settings.HIVE_INVOICE_DUE_DAYS if tax_glm else 0)
    return Invoice(
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
        due_at=due_at,
        deadline_at=due_at,
        reason="taxes are due",
    )


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
    posted = posted.filter(ended_at_ms__lte=_ms(until))
    return posted if since is None else posted.filter(ended_at_ms__gt=_ms(since))


def _lines(records: QuerySet[UsageRecord], invoice_id: uuid.UUID) -> list[dict[str, Any]]:
    sums = records.values("agreement").annotate(
        running_ms=Sum("billed_running_ms"),
        cpu_ms=Sum("billed_cpu_ms"),
        egress_bytes=Sum("billed_egress_bytes"),
        cost_glm=Sum("cost_glm"),
        first=Min("sequence"),
        last=Max("sequence"),
    )
    by_agreement = {each["agreement"]: each for each in sums}
    newest = records.order_by("agreement_id", "-sequence").distinct("agreement_id")
    heads = dict(newest.values_list("agreement", "hash"))
    purposes = purposes_of(list(by_agreement))
    agreements = Agreement.objects.filter(pk__in=by_agreement).select_related("demand", "node", "team")
    lines = [
        _line(
            agreement,
            by_agreement[agreement.pk],
            heads[agreement.pk],
            purposes[agreement.pk],
            hash_of(
                evidence_of(
                    agreement, invoice_id=invoice_id, until_sequence=by_agreement[agreement.pk]["last"]
                )
            ),
        )
        for agreement in agreements.order_by("created_at")
    ]
    return sorted(lines, key=lambda line: (line["deployment"], line["service"], line["node_name"]))


def _line(
    agreement: Agreement, used: Mapping[str, Any], head_hash: str, purpose: Purpose, evidence_hash: str
) -> dict[str, Any]:
    """One agreement as it stands on the invoice. Seconds, bytes and GLM are exact; GLM is text."""
    price = agreement.price
    return {
        "agreement": str(agreement.pk),
        "reference": agreement.demand.reference,
        "deployment": purpose.deployment,
        "service": purpose.service,
        "replica": purpose.replica,
        "what": agreement.image,
        "runtime": agreement.runtime,
        "node": agreement.node_id,
        "node_name": agreement.node.name,
        "cpu_threads": plain(agreement.cpu_threads),
        "mem_gib": plain(agreement.mem_gib),
        "running_s": plain(Decimal(int(used["running_ms"])).scaleb(-3)),
        "cpu_s": plain(Decimal(int(used["cpu_ms"])).scaleb(-3)),
        "egress_bytes": int(used["egress_bytes"]),
        "price": {
            "start_glm": plain(price.start_glm),
            "cpu_second_glm": plain(price.cpu_second_glm),
            "second_glm": plain(price.second_glm),
            "egress_gib_glm": plain(price.egress_gib_glm),
        },
        "cost_glm": plain(used["cost_glm"]),
        "first_sequence": used["first"],
        "last_sequence": used["last"],
        "chain_head": head_hash,
        "evidence_hash": evidence_hash,
    }


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
