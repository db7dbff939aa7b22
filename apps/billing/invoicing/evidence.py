"""The proof behind a line: the agreement as both signed it, and its whole usage chain up to the line's end.

The hash of all of it stands on the line, which the issuer signs. A report and its rating never change once
they are posted (the database sees to it), so the proof is the same whenever it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from agent import typed_data
from agent.protocol import Terms
from apps.billing.metering.models import UsageRecord, UsageState
from apps.market.models import Agreement
from apps.money import plain

FIELDS = (
    "sequence",
    "previous_hash",
    "started_at_ms",
    "ended_at_ms",
    "running_ms",
    "cpu_ms",
    "egress_bytes",
    "final",
    "hash",
    "signature",
    "billed_running_ms",
    "billed_cpu_ms",
    "billed_egress_bytes",
    "cost_glm",
    "reduced_because",
    "invoice",
)
READ_AT_ONCE = 5000


def evidence_of(agreement: Agreement, *, invoice_id: UUID, until_sequence: int) -> dict[str, Any]:
    """In JSON's own kinds; `here` marks the reports that are on this invoice."""
    return {
        "terms": _terms(agreement.terms),
        "requestor_signature": agreement.requestor_signature,
        "provider_signature": agreement.provider_signature,
        "reports": list(_reports(agreement, invoice_id, until_sequence)),
    }


def hash_of(evidence: dict[str, Any]) -> str:
    return typed_data.json_hash(evidence)


def _reports(agreement: Agreement, invoice_id: UUID, until_sequence: int) -> Iterator[dict[str, Any]]:
    chain = UsageRecord.objects.filter(
        agreement=agreement, state=UsageState.POSTED, sequence__lte=until_sequence
    )
    rows = chain.order_by("sequence").values_list(*FIELDS)
    for row in rows.iterator(chunk_size=READ_AT_ONCE):
        report: dict[str, Any] = dict(zip(FIELDS, row, strict=True))
        report["cost_glm"] = plain(report["cost_glm"])
        report["here"] = report.pop("invoice") == invoice_id
        yield report


def _terms(terms: Terms) -> dict[str, Any]:
    price = terms.price
    return {
        "agreement_id": terms.agreement_id,
        "requestor": terms.requestor,
        "provider": terms.provider,
        "offer_id": terms.offer_id,
        "runtime": terms.runtime,
        "image": terms.image,
        "cpu_threads": plain(terms.cpu_threads),
        "mem_gib": plain(terms.mem_gib),
        "storage_gib": plain(terms.storage_gib),
        "gpus": terms.gpus,
        "price": {
            "start_glm": plain(price.start_glm),
            "cpu_second_glm": plain(price.cpu_second_glm),
            "second_glm": plain(price.second_glm),
            "egress_gib_glm": plain(price.egress_gib_glm),
        },
        "valid_from_ms": terms.valid_from_ms,
        "expires_at_ms": terms.expires_at_ms,
        "team": terms.team,
    }
