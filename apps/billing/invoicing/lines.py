"""The lines of an invoice: one for each agreement, with what was used of it, what it cost, and the proof."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Max, Min, QuerySet, Sum

from apps.billing.invoicing.evidence import evidence_of, hash_of
from apps.billing.invoicing.naming import Purpose, purposes_of
from apps.billing.metering.models import UsageRecord
from apps.market.models import Agreement
from apps.money import plain

Line = dict[str, Any]


def lines_of(invoice_id: UUID) -> list[Line]:
    """Of all usage that the invoice has claimed, by deployment, service and node."""
    records = UsageRecord.objects.filter(invoice=invoice_id)
    used, heads = _sums(records), _heads(records)
    purposes = purposes_of(list(used))
    agreements = Agreement.objects.filter(pk__in=used).select_related("demand", "node", "team")
    lines = [
        _line(each, used[each.pk], heads[each.pk], purposes[each.pk], invoice_id=invoice_id)
        for each in agreements.order_by("created_at")
    ]
    return sorted(lines, key=lambda line: (line["deployment"], line["service"], line["node_name"]))


def _sums(records: QuerySet[UsageRecord]) -> dict[UUID, Mapping[str, Any]]:
    sums = records.order_by().values("agreement")
    summed = sums.annotate(
        running_ms=Sum("billed_running_ms"),
        cpu_ms=Sum("billed_cpu_ms"),
        egress_bytes=Sum("billed_egress_bytes"),
        cost_glm=Sum("cost_glm"),
        first=Min("sequence"),
        last=Max("sequence"),
    )
    return {each["agreement"]: each for each in summed}


def _heads(records: QuerySet[UsageRecord]) -> dict[UUID, str]:
    """The hash of each agreement's newest report."""
    newest = records.order_by("agreement_id", "-sequence").distinct("agreement_id")
    return dict(newest.values_list("agreement", "hash"))


def _line(
    agreement: Agreement, used: Mapping[str, Any], head_hash: str, purpose: Purpose, *, invoice_id: UUID
) -> Line:
    """One agreement as it stands on the invoice. Seconds, bytes and GLM are exact; GLM is text."""
    price = agreement.price
    evidence = evidence_of(agreement, invoice_id=invoice_id, until_sequence=used["last"])
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
        "evidence_hash": hash_of(evidence),
    }
