"""What stands on an invoice or a credit note, as the issuer signs it, and the export that proves it all.

The layout of the export, and how it is checked, is in hive_client/proving.
"""

from __future__ import annotations

from typing import Any

from agent import typed_data
from apps.billing.invoicing.evidence import evidence_of
from apps.billing.invoicing.models import CreditNote, Invoice
from apps.billing.invoicing.rates import must_fit
from apps.market.models import Agreement
from apps.money import plain
from apps.nodes.queen import queen_key

FORMAT, FIRST_FORMAT = "golem-hive-invoice/2", "golem-hive-invoice/1"
"""Of invoices, and of those drawn up before `credit_glm` stood on them; credit notes never had it."""


def body_of(paper: Invoice | CreditNote) -> dict[str, Any]:
    """All that stands on it, in JSON's own kinds; the same for ever."""
    return _signed_as(paper)[1]


def seal(paper: Invoice | CreditNote) -> None:
    """Sign it, once; from then on the database keeps it as it is.

    Raises ValueError for taxes that nobody could verify.
    """
    must_fit(paper.taxes)
    paper.signature = typed_data.sign(_message(paper, body_of(paper)), queen_key())
    paper.save(update_fields=["signature"])


def export_of(paper: Invoice | CreditNote) -> dict[str, Any]:
    layout, body = _signed_as(paper)
    return {
        "format": layout,
        "invoice": body,
        "agreements": _agreements(paper) if isinstance(paper, Invoice) else [],
        "signature": paper.signature,
    }


def _signed_as(paper: Invoice | CreditNote) -> tuple[str, dict[str, Any]]:
    """Format and contents. Which of the two an invoice was signed in, its own signature tells."""
    if isinstance(paper, CreditNote):
        return FIRST_FORMAT, _credit_note(paper)
    first = _invoice(paper)
    if paper.signature and typed_data.is_signed_by(
        _message(paper, first), paper.signature, first["issuer"]["key"]
    ):
        return FIRST_FORMAT, first
    return FORMAT, first | {"credit_glm": plain(paper.credit_glm)}


def _message(paper: Invoice | CreditNote, body: dict[str, Any]) -> typed_data.SignableMessage:
    return typed_data.invoice(
        number=paper.number,
        issuer=body["issuer"]["key"],
        body=body,
        total_glm=paper.total_glm,
        chain_id=body["issuer"]["chain_id"],
    )


def _invoice(invoice: Invoice) -> dict[str, Any]:
    return {
        "kind": "invoice",
        "id": str(invoice.pk),
        "number": invoice.number,
        "issuer": invoice.issuer,
        "customer": invoice.customer,
        "period_start": invoice.period_start.isoformat(),
        "period_end": invoice.period_end.isoformat(),
        "issued_at": invoice.issued_at.isoformat(),
        "due_at": invoice.due_at.isoformat(),
        "lines": invoice.lines,
        "net_glm": plain(invoice.net_glm),
        "taxes": invoice.taxes,
        "tax_glm": plain(invoice.tax_glm),
        "total_glm": plain(invoice.total_glm),
        "note": invoice.note,
    }


def _credit_note(credit: CreditNote) -> dict[str, Any]:
    invoice = credit.invoice
    return {
        "kind": "credit note",
        "id": str(credit.pk),
        "number": credit.number,
        "credits": invoice.number,
        "issuer": invoice.issuer,
        "customer": invoice.customer,
        "issued_at": credit.issued_at.isoformat(),
        "reason": credit.reason,
        "net_glm": plain(credit.net_glm),
        "taxes": credit.taxes,
        "tax_glm": plain(credit.tax_glm),
        "total_glm": plain(credit.total_glm),
    }


def _agreements(invoice: Invoice) -> list[dict[str, Any]]:
    """In the order of the lines."""
    found = Agreement.objects.select_related("team").in_bulk([line["agreement"] for line in invoice.lines])
    by_id = {str(pk): agreement for pk, agreement in found.items()}
    return [
        evidence_of(
            by_id[line["agreement"]], invoice_id=invoice.pk, until_sequence=int(line["last_sequence"])
        )
        for line in invoice.lines
    ]
