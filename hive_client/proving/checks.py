"""The whole of an export: every line from its evidence, the sums, the taxes, and the issuer's signature."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from agent import typed_data
from agent.price import percent_of
from hive_client.proving import shapes
from hive_client.proving.belonging import check_belonging
from hive_client.proving.located import Document, Object
from hive_client.proving.usage import Chain

FIRST_FORMAT, FORMAT = "golem-hive-invoice/1", "golem-hive-invoice/2"
"""Files of both are checked. The first one, which credit notes have still, does not tell what is due."""
_EXACT = Context(prec=78)
_SIGNATURE = re.compile(r"0x[0-9a-f]{130}")


@dataclass(frozen=True)
class Proven:
    """An invoice, or a credit note, of which all is right."""

    kind: str
    number: str
    customer: str
    total_glm: Decimal
    issuer: str
    """The address whose key signed it."""
    agreements: int
    reports: int
    """Checked, those included that are on earlier invoices."""
    due_glm: Decimal | None = None
    """Taxes, and what was used on credit, when it was drawn up. None where the file does not say it."""


def prove(data: bytes, *, earlier_keys: Collection[str] = ()) -> Proven:
    """Recompute the export, offline. Raises Wrong, which names the first thing that is not right.

    `earlier_keys`: addresses, in lower case, with whose keys the issuer signed agreements before.
    """
    return check(Document(data), earlier_keys=earlier_keys)


def check(document: Document, *, earlier_keys: Collection[str] = ()) -> Proven:
    """As `prove`, of a file that was read."""
    root = _shaped(document)
    paper, agreements = root["invoice"], root["agreements"]
    chain_id = paper["issuer"]["chain_id"]
    for number, evidence in enumerate(agreements):
        Chain(document, ("agreements", number), evidence, chain_id=chain_id).check()
        _check_line(document, number, paper["lines"][number], evidence)
    check_belonging(document, paper, agreements, keys=earlier_keys)
    _check_sums(document, paper)
    _check_signature(document, paper, root["signature"])
    return Proven(
        kind=paper["kind"],
        number=paper["number"],
        customer=paper["customer"]["name"],
        total_glm=Decimal(paper["total_glm"]),
        issuer=paper["issuer"]["key"],
        agreements=len(agreements),
        reports=sum(len(each["reports"]) for each in agreements),
        due_glm=_due_glm(paper),
    )


def _shaped(document: Document) -> dict[str, Any]:
    root = document.root
    if not isinstance(root, Object) or root.get("format") not in (FIRST_FORMAT, FORMAT):
        told = f'expected an exported invoice, with the format "{FORMAT}" or "{FIRST_FORMAT}"'
        raise document.wrong(("format",), told)
    paper = root.get("invoice")
    kinds: Mapping[str, Any] = (
        {"invoice": shapes.INVOICE, "credit note": shapes.CREDIT_NOTE}
        if root["format"] == FIRST_FORMAT
        else {"invoice": shapes.INVOICE_2}
    )
    kind = str(paper.get("kind")) if isinstance(paper, dict) else ""
    if kind not in kinds:
        raise document.wrong(("invoice", "kind"), "expected an invoice or a credit note")
    shape = {"format": str, "invoice": kinds[kind], "agreements": [shapes.AGREEMENT], "signature": str}
    shapes.must_be_shaped(document, (), root, shape)
    expected = len(root["invoice"].get("lines", ()))
    if len(root["agreements"]) != expected:
        raise document.wrong(("agreements",), f"expected {expected}, one for each line")
    return root


def _check_line(document: Document, number: int, line: dict[str, Any], evidence: dict[str, Any]) -> None:
    for name, value in _recomputed(evidence).items():
        if line[name] != value:
            raise document.wrong(
                ("invoice", "lines", number, name), f"its agreement and reports give {value}"
            )


def _recomputed(evidence: dict[str, Any]) -> dict[str, Any]:
    """Of a line, all that follows from its evidence."""
    terms, here = evidence["terms"], [report for report in evidence["reports"] if report["here"]]
    newest = evidence["reports"][-1] if here and evidence["reports"][-1]["here"] else None
    return {
        "agreement": terms["agreement_id"],
        "node": terms["provider"],
        "what": terms["image"],
        "runtime": terms["runtime"],
        "cpu_threads": terms["cpu_threads"],
        "mem_gib": terms["mem_gib"],
        "price": terms["price"],
        "running_s": plain(_sum(here, "billed_running_ms").scaleb(-3)),
        "cpu_s": plain(_sum(here, "billed_cpu_ms").scaleb(-3)),
        "egress_bytes": int(_sum(here, "billed_egress_bytes")),
        "cost_glm": plain(_sum(here, "cost_glm")),
        "first_sequence": here[0]["sequence"] if here else 0,
        "last_sequence": newest["sequence"] if newest else 0,
        "chain_head": newest["hash"] if newest else typed_data.NO_HASH,
        "evidence_hash": typed_data.json_hash(evidence),
    }


def _check_sums(document: Document, paper: dict[str, Any]) -> None:
    net_glm = Decimal(paper["net_glm"])
    if paper["kind"] == "invoice":
        _must_be(document, "net_glm", paper, _sum(paper["lines"], "cost_glm"))
    for number, tax in enumerate(paper["taxes"]):
        at = ("invoice", "taxes", number)
        if Decimal(tax["base_glm"]) != net_glm:
            raise document.wrong((*at, "base_glm"), f"expected {paper['net_glm']}")
        expected = percent_of(net_glm, Decimal(tax["percent"]))
        # With the last credit note goes what is left of the invoice's taxes, whatever was rounded before.
        if paper["kind"] == "invoice" and Decimal(tax["amount_glm"]) != expected:
            raise document.wrong((*at, "amount_glm"), f"expected {plain(expected)}")
    _must_be(document, "tax_glm", paper, tax_glm := _sum(paper["taxes"], "amount_glm"))
    _must_be(document, "total_glm", paper, _EXACT.add(net_glm, tax_glm))
    if Decimal(paper.get("credit_glm", 0)) > net_glm:
        raise document.wrong(("invoice", "credit_glm"), f"more than the {paper['net_glm']} that were used")


def _due_glm(paper: dict[str, Any]) -> Decimal | None:
    if "credit_glm" not in paper:
        return None
    return _EXACT.add(Decimal(paper["credit_glm"]), Decimal(paper["tax_glm"]))


def _must_be(document: Document, name: str, paper: dict[str, Any], expected: Decimal) -> None:
    if Decimal(paper[name]) != expected:
        raise document.wrong(("invoice", name), f"it adds up to {plain(expected)}")


def _check_signature(document: Document, paper: dict[str, Any], signature: str) -> None:
    issuer = paper["issuer"]["key"]
    try:
        message = typed_data.invoice(
            number=paper["number"],
            issuer=issuer,
            body=paper,
            total_glm=Decimal(paper["total_glm"]),
            chain_id=paper["issuer"]["chain_id"],
        )
    except ValueError as error:
        raise document.wrong(("invoice", "issuer"), str(error)) from None
    if not _SIGNATURE.fullmatch(signature):
        raise document.wrong(
            ("signature",), "no signature: expected 0x and 130 hexadecimal digits, lower case"
        )
    if not typed_data.is_signed_by(message, signature, issuer):
        # Nobody can tell which of the two was changed.
        raise document.wrong(("invoice",), f"not all of it is what {issuer} signed, or not with /signature")


def _sum(rows: list[dict[str, Any]], name: str) -> Decimal:
    total = Decimal(0)
    for row in rows:
        total = _EXACT.add(total, Decimal(row[name]))
    return total


def plain(amount: Decimal) -> str:
    """As the Hive writes it: every digit that counts, and no other."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
