"""What a dishonest issuer makes of an export: other contents, with all sums right, and signed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django.conf import settings
from eth_account.signers.local import LocalAccount

from agent import typed_data
from apps.money import plain
from apps.nodes.queen import queen_key


def changed(export: bytes, **parts: Any) -> bytes:
    """Other parts, and nothing made to fit."""
    return json.dumps(json.loads(export) | parts, ensure_ascii=False).encode()


def signed_again(export: bytes, *, key: LocalAccount | None = None, **invoice: Any) -> bytes:
    """What stands on the invoice is another, and signed."""
    document = json.loads(export)
    body = document["invoice"] | invoice
    message = typed_data.invoice(
        number=body["number"],
        issuer=body["issuer"]["key"],
        body=body,
        total_glm=Decimal(body["total_glm"]),
        chain_id=settings.HIVE_CHAIN_ID,
    )
    return changed(export, invoice=body, signature=typed_data.sign(message, key or queen_key()))


def billing(export: bytes, agreements: list[dict[str, Any]], **invoice: Any) -> bytes:
    """An invoice over these agreements and their reports, without taxes: what follows from them is right."""
    lines = json.loads(export)["invoice"]["lines"]
    lines = [line | _line(evidence) for line, evidence in zip(lines, agreements, strict=True)]
    net_glm = plain(sum((Decimal(line["cost_glm"]) for line in lines), Decimal(0)))
    sums = {"net_glm": net_glm, "taxes": [], "tax_glm": "0", "total_glm": net_glm}
    return signed_again(changed(export, agreements=agreements), lines=lines, **sums, **invoice)


def _line(evidence: dict[str, Any]) -> dict[str, Any]:
    here = [report for report in evidence["reports"] if report["here"]]
    return {
        "running_s": plain(Decimal(sum(report["billed_running_ms"] for report in here)).scaleb(-3)),
        "cpu_s": plain(Decimal(sum(report["billed_cpu_ms"] for report in here)).scaleb(-3)),
        "egress_bytes": sum(report["billed_egress_bytes"] for report in here),
        "cost_glm": plain(sum((Decimal(report["cost_glm"]) for report in here), Decimal(0))),
        "first_sequence": here[0]["sequence"],
        "last_sequence": here[-1]["sequence"],
        "chain_head": here[-1]["hash"],
        "evidence_hash": typed_data.json_hash(evidence),
    }
